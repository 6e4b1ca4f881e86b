-- Every queue with its types, as the JSON of skep's QueueView.
create or replace function skep.see_queues() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, skep, pg_temp set jit = off
as $$
begin
  return (
    with types as (
      select s.queue, sum(s.depth) as depth, sum(s.scheduled) as scheduled, sum(s.available) as available,
        sum(s.claimed) as claimed, min(s.oldest) as oldest,
        jsonb_build_object('under_1s', sum(s.under_1s), 'under_10s', sum(s.under_10s),
          'under_1m', sum(s.under_1m), 'under_10m', sum(s.under_10m),
          'under_1h', sum(s.under_1h), 'longer', sum(s.longer)) as waits,
        jsonb_agg(jsonb_build_object('name', s.task_type, 'depth', s.depth, 'capacity', s.capacity,
          'paused', l.paused, 'served', exists (
            select from drones d where d.queue = s.queue and d.facts -> 'types' ? s.task_type))
          order by s.task_type collate "C") as types
      from skep.queue_stats s
      join queues q on q.name = s.queue
      join lanes l on l.queue = q.id and l.task_type = s.task_type
      group by s.queue)
    select coalesce(jsonb_agg(jsonb_build_object(
      'name', q.name, 'depth', coalesce(t.depth, 0), 'capacity', q.capacity,
      'scheduled', coalesce(t.scheduled, 0), 'available', coalesce(t.available, 0),
      'claimed', coalesce(t.claimed, 0), 'paused', q.paused,
      'intake', (array['open', 'paused', 'draining'])[q.intake + 1],
      'retention', floor(extract(epoch from q.retention))::bigint,
      'promote_after', extract(epoch from q.promote_after), 'waiting_since', skep.micros(t.oldest),
      'waits', coalesce(t.waits, '{}'), 'types', coalesce(t.types, '[]'))
      order by q.name collate "C"), '[]')
    from queues q left join types t on t.queue = q.name);
end
$$;
