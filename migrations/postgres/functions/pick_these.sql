-- Claims rows in the order given, and of the last one only the members for which there is room. What others
-- have locked or changed meanwhile it leaves. Answers where the rows lie now, and how many tasks it took.
create or replace function skep.pick_these(
  p_claim uuid, p_room int, p_tids tid[], out o_tids tid[], out o_taken int
)
language plpgsql
as $$
declare
  v_tids tid[];
  v_sizes smallint[];
  v_row tasks;
  v_fits int := 0;
begin
  select coalesce(array_agg(r.tid order by r.nr), '{}'), array_agg(r.n order by r.nr)
  into v_tids, v_sizes
  from (
    select t.ctid as tid, t.n, array_position(p_tids, t.ctid) as nr from tasks t
    where t.ctid = any(p_tids) and not t.later and not t.held
    for update skip locked
  ) r;
  o_taken := 0;
  while v_fits < cardinality(v_tids) and o_taken + v_sizes[v_fits + 1] <= p_room loop
    v_fits := v_fits + 1;
    o_taken := o_taken + v_sizes[v_fits];
  end loop;
  if o_taken < p_room and v_fits < cardinality(v_tids) then
    -- The first members of a block are handed out first; its row keeps the others.
    select * into v_row from tasks t where t.ctid = v_tids[v_fits + 1];
    v_row.low := skep.split_part(v_row.block, v_row.low, skep.lowest(v_row.live, p_room - o_taken));
    select v_tids[:v_fits] || t.ctid into v_tids from tasks t where t.block = v_row.block and t.low = v_row.low;
    o_taken := p_room;
  else
    v_tids := v_tids[:v_fits];
  end if;
  with claimed as (
    update tasks t set held = true, claim = p_claim, fence = t.fence + 1
    where t.ctid = any(v_tids) and not t.held
    returning t.ctid as tid
  )
  select array_agg(c.tid) into o_tids from claimed c;
end $$;
