-- What is answered when a bounded scope has no room for n tasks.
create or replace function skep.full(p_scope int, p_n bigint, p_capacity bigint) returns jsonb
language sql volatile
as $$
  select jsonb_build_object(
    'reason', case when p_scope > 0 then 'queue_full' else 'type_full' end,
    'depth', p_capacity - r.room, 'limit', p_capacity, 'retry_after', 1,
    'detail', case when r.room < p_n then '' else 'open transactions hold the room that is left' end)
  from (select coalesce(sum(room), 0) from cells where scope = p_scope) r (room)
$$;
