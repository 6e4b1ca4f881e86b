-- A mask that travelled may be longer or shorter than its block.
create or replace function skep.fit(p_members varbit, p_size int) returns varbit
language sql immutable parallel safe
as $$ select substring(p_members::bit(128) from 1 for p_size)::varbit $$;
