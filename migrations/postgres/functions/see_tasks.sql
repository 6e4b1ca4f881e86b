-- Tasks that match, the last submitted first: one row a task. Each null means any. It looks back over the
-- order of submission in steps that grow, and stops as soon as it has enough. It is planned each time, since a
-- partial index serves only who asks for certain states. A long list is asked for in portions: `place` orders all
-- tasks, and p_before is that of the last one that was seen.
drop function if exists skep.see_tasks(smallint[], text, text, text, int);
create or replace function skep.see_tasks(
  p_states smallint[], p_queue text, p_task_type text, p_cause text, p_limit int, p_before bigint default null)
returns table (
  block uuid, ordinal int, task_type text, queue text, state smallint, priority smallint, run_at bigint,
  attempts smallint, losses smallint, interruptions smallint, max_attempts int, worker text, error text,
  result bytea, created_at bigint, finished_at bigint, place bigint)
language plpgsql stable security definer set search_path = pg_catalog, skep, pg_temp set jit = off
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  v_lanes int[];
  v_blocks uuid[];
  v_to bigint := coalesce(p_before >> 7, 9223372036854775807);
  v_from bigint;
  v_step bigint := greatest(1000, p_limit);
  v_left int := p_limit;
  v_found int;
begin
  select array_agg(l.id) into v_lanes from lanes l join queues q on q.id = l.queue
  where (p_queue is null or q.name = p_queue) and (p_task_type is null or l.task_type = p_task_type);
  select least(last_value, v_to) - v_step into v_from from order_of_submission;
  if p_cause is not null then
    -- Few blocks ever went wrong: from there to their rows.
    v_blocks := array(select distinct h.block from history h where h.cause = p_cause);
    v_from := -1;
  end if;
  while v_left > 0 loop
    return query
    select p.block, o.ordinal, l.task_type, q.name, p.state, p.priority, skep.micros(p.run_at),
      p.attempts, p.losses, p.interruptions, (p.options ->> 'max_attempts')::int,
      coalesce(p.worker, nullif(d.facts ->> 'name', '')), e.error,
      nullif(skep.unpacked(p.results, o.ordinal), ''), skep.micros(p.created_at), skep.micros(p.finished_at),
      p.seq << 7 | o.ordinal
    from (
      select s.* from skep.shown s
      where s.seq > v_from and s.seq <= v_to and s.lane = any(v_lanes)
        and (p_states is null or s.state = any(p_states))
        and (p_cause is null or s.block = any(v_blocks))
      order by s.seq desc
      -- A block's members lie in several rows, in no order: it is taken whole. All rows of the first may lie
      -- before the place that was asked for.
      fetch first (case when p_cause is null then v_left + 128::bigint else 2147483647 end) rows with ties) p
    join lanes l on l.id = p.lane
    join queues q on q.id = l.queue
    left join claims c on c.claim = p.claim
    left join drones d on d.incarnation = c.drone
    cross join lateral generate_series(0, length(p.members) - 1) as o(ordinal)
    left join lateral (
      select h.cause, h.error from history h
      where h.block = p.block and skep.has(h.members, o.ordinal)
      order by h.id desc limit 1) e on true
    where skep.has(p.members, o.ordinal) and (p_cause is null or e.cause = p_cause)
      and (p_before is null or (p.seq << 7 | o.ordinal) < p_before)
    order by p.seq desc, o.ordinal desc
    limit v_left;
    get diagnostics v_found = row_count;
    v_left := v_left - v_found;
    exit when v_from < 0;
    v_step := v_step * 8;
    v_to := v_from;
    v_from := v_from - v_step;
  end loop;
end
$$;
