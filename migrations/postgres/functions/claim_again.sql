-- Claims again, for one claim that is not there, what waits as it did before it was handed out: under no later fence.
create or replace function skep.claim_again(
  p_drone uuid, p_queue text, p_claim uuid, p_blocks uuid[], p_members text[], p_fences int[]
) returns void
language plpgsql
as $$
declare
  v_row tasks;
  v_lane int;
  v_n int := 0;
  v_blocks uuid[] := '{}';
begin
  for v_i in 1 .. cardinality(p_blocks) loop
    for v_row in
      select * from tasks t
      where t.block = p_blocks[v_i] and not t.held and t.fence < p_fences[v_i]
        and t.live & skep.fit(p_members[v_i]::varbit, length(t.live)) <> skep.fit('', length(t.live))
      order by t.low for update
    loop
      v_row.low := skep.split_part(v_row.block, v_row.low, p_members[v_i]::varbit);
      update tasks t set held = true, later = false, claim = p_claim, fence = p_fences[v_i]
      where t.block = v_row.block and t.low = v_row.low
      returning t.n into strict v_row.n;
      v_n := v_n + v_row.n;
      v_blocks := v_blocks || v_row.block;
      v_lane := v_row.lane;
    end loop;
  end loop;
  if v_n > 0 then
    perform skep.know(p_drone, coalesce(p_queue, 'default'));
    insert into claims (claim, drone, queue, at, n, blocks)
    select p_claim, p_drone, l.queue, skep.now(), v_n, v_blocks from lanes l where l.id = v_lane;
  end if;
end $$;
