-- Writes down that something went wrong.
create or replace function skep.event(
  p_block uuid, p_members varbit, p_attempts smallint, p_worker text, p_cause text, p_error text
) returns void
language sql volatile
as $$
  insert into history (block, members, at, cause, attempts, worker, error)
  values (p_block, p_members, skep.now(), p_cause, p_attempts, p_worker, p_error)
$$;
