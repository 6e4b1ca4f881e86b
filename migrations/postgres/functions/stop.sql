-- Ends members that wait, by somebody's word. Answers {"acted", "rejection"}: where a postback finds no room,
-- nothing happened.
create or replace function skep.stop(p_row tasks, p_members varbit, p_state smallint, p_why text) returns jsonb
language plpgsql
as $$
declare
  v_rejection jsonb;
begin
  perform skep.stand(array[(p_row).lane]);
  perform skep.event((p_row).block, p_members, (p_row).attempts, null, 'cancelled', p_why);
  v_rejection := skep.end_part((p_row).block, (p_row).low, p_members, p_state, (p_row).attempts,
    (p_row).losses, (p_row).interruptions, null, null, null, p_why, null);
  if v_rejection is not null then
    raise exception using errcode = 'SK099';
  end if;
  return jsonb_build_object('acted', 'done');
exception when sqlstate 'SK099' then
  return jsonb_build_object('acted', 'rejected', 'rejection', v_rejection);
end
$$;
