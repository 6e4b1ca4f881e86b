-- States as people write them, by the number that is stored.
create or replace function skep.state_name(p_state smallint) returns text
language sql immutable parallel safe
as $$ select (array['available', 'scheduled', 'claimed', 'completed', 'discarded', 'cancelled'])[p_state + 1] $$;
