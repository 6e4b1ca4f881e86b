-- Moves members of a row of tasks into a row of their own, otherwise alike; answers that row's low. When that
-- is all of them, nothing changes.
create or replace function skep.split_part(p_block uuid, p_low smallint, p_members varbit) returns smallint
language plpgsql
as $$
declare
  v_row tasks;
  v_moved varbit;
  v_left varbit;
begin
  select * into strict v_row from tasks t where t.block = p_block and t.low = p_low for update;
  v_moved := v_row.live & skep.fit(p_members, length(v_row.live));
  v_left := v_row.live & ~v_moved;
  if position(B'1' in v_left) = 0 then
    return p_low;
  end if;
  -- First out, then in: the new row may bear the old one's low.
  update tasks t set live = v_left, n = bit_count(v_left), low = position(B'1' in v_left) - 1
  where t.block = p_block and t.low = p_low;
  v_row.live := v_moved;
  v_row.n := bit_count(v_moved);
  v_row.low := position(B'1' in v_moved) - 1;
  insert into tasks select v_row.*;
  return v_row.low;
end $$;
