-- Ends members that wait, by somebody's word. Answers {"acted", "rejection"}: where a postback finds no room,
-- nothing happened.
create or replace function skep.stop(
  p_block uuid, p_low smallint, p_members varbit, p_state smallint, p_why text) returns jsonb
language plpgsql
as $$
declare
  v_row tasks;
  v_rejection jsonb;
begin
  select * into strict v_row from tasks t where t.block = p_block and t.low = p_low;
  perform skep.stand(array[v_row.lane]);
  perform skep.event(p_block, p_members, v_row.attempts, null, 'cancelled', p_why);
  v_rejection := skep.end_part(p_block, p_low, p_members, p_state, v_row.attempts,
    v_row.losses, v_row.interruptions, null, null, null, p_why, null);
  if v_rejection is not null then
    raise exception using errcode = 'SK099';
  end if;
  return jsonb_build_object('acted', 'done');
exception when sqlstate 'SK099' then
  return jsonb_build_object('acted', 'rejected', 'rejection', v_rejection);
end
$$;
