-- One task with its payload and history; no row when it is not kept.
create or replace function skep.see_task(p_id uuid)
returns table (
  block uuid, ordinal int, task_type text, queue text, state smallint, priority smallint, run_at bigint,
  attempts smallint, losses smallint, interruptions smallint, max_attempts int, worker text, error text,
  result bytea, created_at bigint, finished_at bigint, payload bytea, content text, history jsonb)
language plpgsql stable security definer set search_path = pg_catalog, skep, pg_temp set jit = off
as $$
#variable_conflict use_column
declare
  v_block uuid;
  v_ordinal int;
begin
  select p.o_block, p.o_ordinal into v_block, v_ordinal from skep.places(p_id) p;
  return query
  select s.block, v_ordinal, l.task_type, q.name, s.state, s.priority, skep.micros(s.run_at),
    s.attempts, s.losses, s.interruptions, (s.options ->> 'max_attempts')::int,
    coalesce(s.worker, nullif(d.facts ->> 'name', '')), e.events -> -1 ->> 'error',
    nullif(skep.unpacked(s.results, v_ordinal), ''), skep.micros(s.created_at), skep.micros(s.finished_at),
    skep.unpacked(coalesce(s.body, b.body), v_ordinal), coalesce(s.options ->> 'content', 'json'), e.events
  from skep.shown s
  join lanes l on l.id = s.lane
  join queues q on q.id = l.queue
  left join bodies b on b.block = s.block
  left join claims c on c.claim = s.claim
  left join drones d on d.incarnation = c.drone
  cross join lateral (
    select coalesce(jsonb_agg(jsonb_build_object('at', skep.micros(h.at), 'cause', h.cause,
      'attempts', h.attempts, 'worker', h.worker, 'error', h.error) order by h.id), '[]') as events
    from history h where h.block = v_block and skep.has(h.members, v_ordinal)) e
  where s.block = v_block and skep.has(s.members, v_ordinal);
end
$$;
