-- Claims tasks for a drone, of each type as many as it has room for, and answers them; asked again with the
-- same claim, what is left of it.
--
-- A walk along a type may begin at a place (p_priorities, p_runs, p_seqs; null: at its first task), because the
-- index entries of tasks that have gone stay for as long as somebody's snapshot may see them. What comes
-- before the place under its own priority is then looked at only when the rest does not fill the room.
--
-- Unless p_durable, a new claim does not wait for the disk. Whoever asks remembers it until that is known to have
-- it, and says so after a crash, before anything is handed out: see adopt() and admit().
--
-- Planned once a connection: whatever the server believes of the table, these statements go by one index or by place,
-- and planning them anew took more than half of the time of a claim of one.
drop function if exists skep.pump(uuid, uuid, text, text[], int[], smallint[], timestamptz[], bigint[]);
create or replace function skep.pump(
  p_drone uuid, p_claim uuid, p_queue text, p_types text[], p_rooms int[],
  p_priorities smallint[], p_runs timestamptz[], p_seqs bigint[], p_durable boolean
) returns table (
  block uuid, live varbit, queue text, task_type text, priority smallint, attempts smallint, losses smallint,
  interruptions smallint, fence int, suspect smallint, options text, created_at timestamptz,
  run_at timestamptz, seq bigint, body bytea
)
language plpgsql security definer
set search_path = pg_catalog, skep, pg_temp set jit = off set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  v_now timestamptz := skep.now();
  v_lane int;
  v_lanes int[] := '{}';
  v_room int;
  v_place smallint;
  v_every interval;
  v_promotes interval;
  v_at timestamptz;
  v_picked tid[];
  v_taken int;
  v_tids tid[] := '{}';
  v_n int := 0;
  v_blocks uuid[];
  v_known boolean;
begin
  -- The same claim twice at once must not claim twice.
  perform pg_advisory_xact_lock(uuid_hash_extended(p_claim, 0));
  select c.blocks, c.at into v_blocks, v_at from claims c where c.claim = p_claim;
  if found then
    return query
      select t.block, t.live, q.name, l.task_type, skep.counts_as(t.priority, t.run_at, v_at, q.promote_after), t.attempts, t.losses, t.interruptions, t.fence,
        t.suspect, t.options::text, t.created_at, t.run_at, t.seq,
        coalesce(t.body, (select b.body from bodies b where b.block = t.block))
      from tasks t join lanes l on l.id = t.lane join queues q on q.id = l.queue
      where t.block = any(v_blocks) and t.claim = p_claim and t.held;
    return;
  end if;
  -- Whoever only asks what is left of a claim waits for nobody.
  if cardinality(p_types) > 0 and not exists (select from heard h, recovery r where h.incarnation = p_drone and r.over) then
    perform skep.admit(p_drone);
  end if;
  -- Whoever is to be waited for after a crash must be known then.
  v_known := exists (select from drones d where d.incarnation = p_drone);
  if v_known and not p_durable then
    perform set_config('synchronous_commit', 'off', true);
  end if;
  perform skep.promote();
  for v_i in 1 .. coalesce(cardinality(p_types), 0) loop
    select l.id, q.promote_after into v_lane, v_every from queues q join lanes l on l.queue = q.id
    where q.name = p_queue and l.task_type = p_types[v_i] and not q.paused and not l.paused;
    v_lanes := v_lanes || v_lane;
    continue when v_lane is null;
    v_promotes := v_every;
    v_room := p_rooms[v_i];
    -- A queue that promotes has an order of its own, along which no place was noted.
    v_place := case when v_every is null then p_priorities[v_i] end;
    -- What is more urgent than the place, what follows it, everything, and what others had in hand.
    for v_walk in case when v_place is null then 3 else 1 end .. 4 loop
      exit when v_room <= 0;
      if v_walk < 4 and v_every is not null then
        select w.o_tids, w.o_taken into v_picked, v_taken
        from skep.walk_promoted(p_claim, v_lane, v_room, v_now, v_every) w;
      elsif v_walk < 4 then
        select w.o_tids, w.o_taken into v_picked, v_taken
        from skep.walk(p_claim, v_lane, v_room, false, (case v_walk when 1 then v_place else 32767 end)::smallint,
          (case v_walk when 2 then v_place else -1 end)::smallint,
          case v_walk when 2 then p_runs[v_i] else '-infinity' end,
          case v_walk when 2 then p_seqs[v_i] else -1 end) w;
      else
        select w.o_tids, w.o_taken into v_picked, v_taken from skep.walk_late(p_claim, v_lane, v_room) w;
      end if;
      v_tids := v_tids || v_picked;
      v_n := v_n + v_taken;
      v_room := v_room - v_taken;
    end loop;
  end loop;
  if v_n = 0 then
    return;
  end if;
  if not v_known then
    perform skep.know(p_drone, p_queue);
  end if;
  insert into claims (claim, drone, queue, at, n, blocks)
  select p_claim, p_drone, q.id, v_now, v_n, array(select t.block from tasks t where t.ctid = any(v_tids))
  from queues q where q.name = p_queue;
  return query
    select t.block, t.live, p_queue, p_types[array_position(v_lanes, t.lane)],
      skep.counts_as(t.priority, t.run_at, v_now, v_promotes), t.attempts, t.losses, t.interruptions,
      t.fence, t.suspect, t.options::text, t.created_at, t.run_at, t.seq,
      coalesce(t.body, (select b.body from bodies b where b.block = t.block))
    from tasks t where t.ctid = any(v_tids);
end $$;
