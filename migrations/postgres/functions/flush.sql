-- Waits for the disk, as the server is set to: what was settled lazily before is durable. Answers whether no crash can
-- have undone some of it: the drone has said since the last one what it holds.
create or replace function skep.flush(p_drone uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp set jit = off
as $$
begin
  -- A commit waits only for what it has written itself: a number of its own is not enough.
  perform pg_logical_emit_message(true, 'skep', '');
  return exists (select from heard h where h.incarnation = p_drone);
end $$;
