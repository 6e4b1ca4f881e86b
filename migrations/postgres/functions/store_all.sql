-- Stores blocks of one call at once, when all of them are plain: well formed, new, without a key, of lanes that
-- are there and have room. Otherwise answers false, and what it did must be undone.
create or replace function skep.store_all(
  p_born boolean, p_now timestamptz, p_ids uuid[], p_queues text[], p_types text[], p_priorities smallint[],
  p_due_kinds smallint[], p_due bigint[], p_options jsonb[], p_counts smallint[], p_bodies bytea[])
returns boolean
language plpgsql as $$
declare
  v_blocks int := cardinality(p_ids);
  v_lanes int[];
  v_largest bigint;
  v_several int;
  v_lane record;
begin
  select max(octet_length(b.body) - 2 - 4 * b.n), count(*) filter (where b.n > 1)
    into v_largest, v_several
    from unnest(p_ids, p_counts, p_bodies, p_options) b (id, n, body, options)
    having bool_and(b.n between 1 and 128
      and (b.n = 1 or right(b.id::text, 4) = '0000' and octet_length(b.body) - 2 - 4 * b.n <= 65536)
      and coalesce(not b.options ? 'unique_key', true));
  if not found then return false; end if;
  perform skep.hold(q.id) from (
    select q.id from queues q where q.name = any (p_queues) order by q.id) q;
  if p_queues = array_fill(p_queues[1], array[v_blocks]) and p_types = array_fill(p_types[1], array[v_blocks]) then
    select array_fill(l.id, array[v_blocks]) into v_lanes from queues q join lanes l on l.queue = q.id
      where q.name = p_queues[1] and l.task_type = p_types[1]
        and (p_born or q.intake = 0 and q.max_payload >= v_largest);
  else
    select array_agg(l.id order by b.i) into v_lanes
      from unnest(p_queues, p_types) with ordinality b (queue, type, i)
      join queues q on q.name = b.queue and (p_born or q.intake = 0 and q.max_payload >= v_largest)
      join lanes l on l.queue = q.id and l.task_type = b.type;
  end if;
  if v_lanes is null or cardinality(v_lanes) < v_blocks then return false; end if;
  -- Room is taken in one order of scopes by everybody, and before there is a row: see rebuild().
  if exists (select from queues q left join lanes l on l.queue = q.id
             where q.name = any (p_queues) and (q.capacity is not null or l.capacity is not null)) then
    for v_lane in
      select q.id as queue, q.capacity as queue_capacity, l.id, l.capacity, w.n
      from (select b.lane, sum(b.n) as n from unnest(v_lanes, p_counts) b (lane, n) group by b.lane) w
      join lanes l on l.id = w.lane join queues q on q.id = l.queue
      order by q.id, l.id
    loop
      if skep.take_bounds(v_lane.queue, v_lane.queue_capacity, v_lane.id, v_lane.capacity, v_lane.n)
        is not null then
        return false;
      end if;
    end loop;
  end if;
  if v_several > 0 then
    insert into bodies (block, n, body)
      select b.id, b.n, b.body from unnest(p_ids, p_counts, p_bodies) b (id, n, body) where b.n > 1;
  end if;
  insert into tasks (seq, run_at, created_at, block, lane, priority, n, low, ties, later, live, options, body)
    select nextval('order_of_submission'), d.run_at, p_now, b.id, b.lane, b.priority, b.n, 0,
      coalesce(b.options ? 'postback', false), d.run_at > p_now, repeat('1', b.n)::bit varying,
      b.options, case when b.n = 1 then b.body end
    from unnest(p_ids, v_lanes, p_priorities, p_due_kinds, p_due, p_options, p_counts, p_bodies)
      b (id, lane, priority, due_kind, due, options, n, body),
      lateral (select skep.due_at(b.due_kind, b.due, p_now)) d (run_at);
  -- What ended is looked at after the rows are in: see store().
  return not exists (select from finished f where f.block = any (p_ids))
    and (v_several = v_blocks or not exists (
      select from unnest(p_ids, p_counts) b (id, n) join bodies k on k.block = b.id where b.n = 1));
end $$;
