-- In how many microseconds a pump of these types from these queues (from any, when none is named) may find
-- something: 0 for now, null when nothing is in sight.
create or replace function skep.awaits(p_queues text[], p_types text[]) returns bigint
language plpgsql stable security definer set search_path = pg_catalog, skep, pg_temp set jit = off
as $$
declare
  v_due timestamptz;
begin
  if exists (
    select from lanes l join queues q on q.id = l.queue
    where l.task_type = any(p_types) and (p_queues = '{}' or q.name = any(p_queues))
      and not l.paused and not q.paused
      and exists (select from tasks t where t.lane = l.id and not t.later and not t.held))
  then
    return 0;
  end if;
  -- Of any type: whoever looks promotes them all.
  select t.run_at into v_due from tasks t where t.later order by t.run_at limit 1;
  -- greatest() passes over nulls: nothing in sight must not become now.
  return case when v_due is not null then greatest(0, skep.micros(v_due) - skep.micros(skep.now())) end;
end
$$;
