-- One stretch of a walk along a lane: claims at most p_limit rows, and of the last one only the members for
-- which there is room. What others have locked it leaves, unless p_wait. Answers where they lie now, how many rows it saw, how many tasks it took, and the place
-- of the last row, from which the walk may go on.
drop function if exists skep.pick(uuid, int, int, int, boolean, smallint, smallint, timestamptz, bigint);
create or replace function skep.pick(
  p_claim uuid, p_lane int, p_room int, p_limit int, p_wait boolean, p_below smallint,
  inout p_priority smallint, inout p_run timestamptz, inout p_seq bigint,
  out o_tids tid[], out o_seen int, out o_taken int
)
language plpgsql
as $$
declare
  v_tids tid[];
  v_sizes smallint[];
  v_row tasks;
  v_fits int := 0;
begin
  if p_wait then
    select array_agg(r.tid), array_agg(r.n), count(*), coalesce(sum(r.n), 0) into v_tids, v_sizes, o_seen, o_taken
    from (
      select t.ctid as tid, t.n from tasks t
      where t.lane = p_lane and not t.later and not t.held
        and (t.priority, t.run_at, t.seq) >= (p_priority, p_run, p_seq) and t.priority < p_below
      order by t.priority, t.run_at, t.seq limit p_limit for update
    ) r;
  else
    select array_agg(r.tid), array_agg(r.n), count(*), coalesce(sum(r.n), 0) into v_tids, v_sizes, o_seen, o_taken
    from (
      select t.ctid as tid, t.n from tasks t
      where t.lane = p_lane and not t.later and not t.held
        and (t.priority, t.run_at, t.seq) >= (p_priority, p_run, p_seq) and t.priority < p_below
      order by t.priority, t.run_at, t.seq limit p_limit for update skip locked
    ) r;
  end if;
  if o_seen = 0 then
    return;
  end if;
  select t.priority, t.run_at, t.seq into p_priority, p_run, p_seq from tasks t where t.ctid = v_tids[o_seen];
  if o_taken > p_room then
    o_taken := 0;
    while o_taken + v_sizes[v_fits + 1] <= p_room loop
      v_fits := v_fits + 1;
      o_taken := o_taken + v_sizes[v_fits];
    end loop;
    if o_taken < p_room then
      -- The first members of a block are handed out first; its row keeps the others.
      select * into v_row from tasks t where t.ctid = v_tids[v_fits + 1];
      v_row.low := skep.split_part(v_row.block, v_row.low, skep.lowest(v_row.live, p_room - o_taken));
      select v_tids[:v_fits] || t.ctid into v_tids from tasks t where t.block = v_row.block and t.low = v_row.low;
      o_taken := p_room;
    else
      v_tids := v_tids[:v_fits];
    end if;
  end if;
  with claimed as (
    update tasks t set held = true, claim = p_claim, fence = t.fence + 1
    where t.ctid = any(v_tids) and not t.held
    returning t.ctid as tid
  )
  select array_agg(c.tid) into o_tids from claimed c;
end $$;
