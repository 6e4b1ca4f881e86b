-- Completes members that nothing follows from, of claims that are known: all at once, without a look at each.
-- Answers the items (counted from 1) of which something is left, and what: that goes the general way. No block
-- comes twice. p_results: packed by ordinal, or null.
create or replace function skep.settle_done(p_claims uuid[], p_blocks uuid[], p_members text[], p_results bytea[])
returns table (item int, rest varbit)
language plpgsql set enable_hashjoin = on
as $$
#variable_conflict use_column
declare
  c_none constant bit(128) := repeat('0', 128);
  v_now timestamptz := skep.now();
  v_claims uuid[];
  v_tids tid[];
  v_queues int[];
  v_workers text[];
  v_retentions interval[];
  v_numbers int[] := array(select generate_series(1, cardinality(p_blocks)));
  v_asked int;
  v_done int;
  v_lanes int[];
  v_counts int[];
  v_blocks uuid[];
  v_lives bit(128)[];
  v_unused uuid[];
  v_parts int;
begin
  select array_agg(c.claim), array_agg(c.queue), array_agg(nullif(d.facts ->> 'name', '')), array_agg(q.retention)
  into v_claims, v_queues, v_workers, v_retentions
  from claims c join queues q on q.id = c.queue left join drones d on d.incarnation = c.drone
  where c.claim = any(p_claims);
  if v_claims is not null then
    perform skep.stand(array(select l.id from lanes l where l.queue = any(v_queues)));
  end if;
  for v_round in 1 .. 2 loop
    exit when v_claims is null or v_numbers is null;
    v_asked := length(replace(array_to_string(p_members, ''), '0', ''));
    -- Where they lie is looked up one by one, and they are taken out by that place: a join with `tasks` would walk all
    -- of it for each item when a vacuum has just counted it empty (50 s for 60,000 tasks, measured).
    v_tids := array(
      select t.at from unnest(p_claims, p_blocks, p_members) i (claim, block, members)
      cross join lateral (
        select t.ctid as at from tasks t
        where t.block = i.block and t.claim = i.claim and not t.ties
          and t.live & skep.fit(i.members::varbit, length(t.live)) = t.live
        offset 0
      ) t
      where i.claim = any(v_claims));
    perform set_config('enable_indexscan', 'off', true);
    with item as (
      select i.block, i.results from unnest(p_blocks, p_results) i (block, results)
    ), gone as (
      delete from tasks t where t.ctid = any(v_tids) and t.claim = any(v_claims) and not t.ties returning t.*
    ), ended as (
      select g.*, i.results, array_position(v_claims, g.claim) as of from gone g join item i on i.block = g.block
    ), kept as (
      insert into finished (block, lane, members, state, priority, seq, run_at, created_at, finished_at, expires_at,
        attempts, losses, interruptions, fence, settled, settled_as, worker, options, body, results)
      select e.block, e.lane, e.live, 3, e.priority, e.seq, e.run_at, e.created_at, v_now, v_now + v_retentions[e.of],
        e.attempts, e.losses, e.interruptions, e.fence, e.claim, 1, v_workers[e.of], e.options, e.body, e.results
      from ended e where v_retentions[e.of] > interval '0'
    ), counted as (
      update claims c set n = c.n - e.n
      from (select e.claim, sum(e.n)::int as n from ended e where e.held group by e.claim) e
      where c.claim = e.claim
    ), by_lane as (
      select e.lane, sum(e.n)::int as n from ended e group by e.lane
    )
    select sum(e.n), array_agg(e.block), array_agg(e.live::bit(128)),
      array_agg(e.block) filter (where v_retentions[e.of] <= interval '0'
        and (e.body is null or e.fence > 1 or e.attempts + e.losses + e.interruptions > 0)),
      (select array_agg(b.lane order by b.lane) from by_lane b),
      (select array_agg(b.n order by b.lane) from by_lane b)
    into v_done, v_blocks, v_lives, v_unused, v_lanes, v_counts
    from ended e;
    perform set_config('enable_indexscan', 'on', true);
    for v_i in 1 .. coalesce(cardinality(v_lanes), 0) loop
      perform skep.give_room(v_lanes[v_i], v_counts[v_i]);
    end loop;
    if v_unused is not null then
      perform skep.forget(v_unused);
    end if;
    if v_done = v_asked then
      v_numbers := null;
      exit;
    end if;
    -- What is left takes the place of what was asked.
    select array_agg(r.nr), array_agg(r.claim), array_agg(r.block), array_agg(r.rest::text), array_agg(r.results)
    into v_numbers, p_claims, p_blocks, p_members, p_results
    from (
      select max(i.nr) as nr, (array_agg(i.claim) filter (where i.nr > 0))[1] as claim, i.block, bit_or(i.asked) & ~bit_or(i.done) as rest,
        (array_agg(i.results) filter (where i.nr > 0))[1] as results
      from (
        select a.nr, a.claim, a.block, a.members::varbit::bit(128) as asked, c_none as done, a.results
        from unnest(v_numbers, p_claims, p_blocks, p_members, p_results) a (nr, claim, block, members, results)
        union all
        select null, null, e.block, c_none, e.live, null from unnest(v_blocks, v_lives) e (block, live)
      ) i
      group by i.block
    ) r
    where r.rest <> c_none;
    exit when v_numbers is null or v_round = 2;
    -- Of some rows not all members are done: these leave for rows of their own, and then are whole ones.
    select count(skep.split_part(r.block, r.low, r.members)) into v_parts from (
      select t.block, t.low, i.members::varbit as members
      from unnest(p_claims, p_blocks, p_members) i (claim, block, members)
      join tasks t on t.block = i.block and t.claim = i.claim
      where not t.ties
        and skep.fit(i.members::varbit, length(t.live)) & t.live <> skep.fit('', length(t.live))
      for update of t
    ) r;
    exit when v_parts = 0;
  end loop;
  delete from claims c where c.claim = any(v_claims) and c.n <= 0;
  return query select i.nr, i.members::varbit from unnest(v_numbers, p_members) i (nr, members)
    where i.nr is not null;
end $$;
