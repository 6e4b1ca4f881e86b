-- Whether a queue or a task type may be called so.
create or replace function skep.is_name(p_name text) returns boolean
language sql immutable parallel safe
as $$ select coalesce(p_name ~ '^[a-z0-9][a-z0-9_.:-]{0,63}$', false) $$;
