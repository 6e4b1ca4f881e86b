-- The rest of a claim that its drone gave back, or was lost with: what a cancel, the limit of losses or its
-- options end now. With a postback each member ends on its own; one for whose postback there is no room stays.
create or replace function skep.part_with(p_claim uuid, p_worker text, p_lost boolean) returns void
language plpgsql
as $$
declare
  v_blocks uuid[];
  v_row tasks;
  v_ordinal int;
begin
  select c.blocks into strict v_blocks from claims c where c.claim = p_claim;
  for v_row in
    select * from tasks t
    where t.block = any(v_blocks) and t.claim = p_claim and t.held
      and (t.cancel or p_lost and (t.losses >= 2 or t.options ->> 'on_lost' = 'fail'))
    order by t.block, t.low for update skip locked
  loop
    if v_row.options ? 'postback' then
      for v_ordinal in 0 .. length(v_row.live) - 1 loop
        if skep.has(v_row.live, v_ordinal) then
          perform skep.end_lost(v_row.block, set_bit(v_row.live & ~v_row.live, v_ordinal, 1), p_worker, p_lost);
        end if;
      end loop;
    else
      perform skep.end_lost(v_row.block, v_row.live, p_worker, p_lost);
    end if;
  end loop;
  update claims c set n = (
    select coalesce(sum(t.n), 0) from tasks t
    where t.block = any(c.blocks) and t.claim = c.claim and t.held)
  where c.claim = p_claim;
end
$$;
