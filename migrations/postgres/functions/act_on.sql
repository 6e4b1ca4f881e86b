-- What an operator does to one task. Answers {"acted", "state", "rejection"}.
create or replace function skep.act_on(p_act text, p_id uuid) returns jsonb
language plpgsql
as $$
declare
  v_block uuid;
  v_ordinal int;
  v_row tasks;
  v_low smallint;
  v_member varbit;
  v_state smallint;
begin
  select o_block, o_ordinal into v_block, v_ordinal from skep.places(p_id);
  select * into v_row from tasks t where t.block = v_block and skep.has(t.live, v_ordinal) for update;
  if not found then
    return skep.act_on_ended(p_act, v_block, v_ordinal);
  end if;
  v_member := set_bit(v_row.live & ~v_row.live, v_ordinal, 1);
  v_state := case when v_row.held then 2 when v_row.later and v_row.run_at > skep.now() then 1 else 0 end;
  if v_row.held and p_act = 'cancel' then
    if not v_row.cancel then
      v_low := skep.split_part(v_block, v_row.low, v_member);
      update tasks set cancel = true where block = v_block and low = v_low;
    end if;
    return jsonb_build_object('acted', 'requested');
  elsif v_row.held or (p_act = 'retry' and v_state = 0) then
    return jsonb_build_object('acted', 'unchanged', 'state', skep.state_name(v_state));
  elsif p_act = 'retry' then
    v_low := skep.split_part(v_block, v_row.low, v_member);
    update tasks set later = false, run_at = skep.now() where block = v_block and low = v_low;
    return jsonb_build_object('acted', 'done');
  end if;
  return skep.stop(v_block, v_row.low, v_member, case p_act when 'cancel' then 5 else 4 end::smallint,
    case p_act when 'cancel' then 'cancelled' else 'discarded' end || ' by an operator');
end
$$;
