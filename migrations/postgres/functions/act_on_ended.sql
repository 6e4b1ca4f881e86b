-- What an operator does to a task that has ended: it can be brought back, unless it was completed. Its counters
-- begin anew, its fence goes on where it stood.
create or replace function skep.act_on_ended(p_act text, p_block uuid, p_ordinal int) returns jsonb
language plpgsql
as $$
declare
  v_now timestamptz := skep.now();
  v_ended record;
  v_member varbit;
  v_queue int;
  v_key text;
  v_rejection jsonb;
begin
  select f.*, f.tableoid as its_table, f.ctid as its_row into v_ended from finished f
  where f.block = p_block and skep.has(f.members, p_ordinal) and f.expires_at > v_now for update;
  if not found then
    return jsonb_build_object('acted', 'not_found');
  elsif p_act <> 'retry' or v_ended.state = 3 then
    return jsonb_build_object('acted', 'unchanged', 'state', skep.state_name(v_ended.state));
  end if;
  perform skep.stand(array[v_ended.lane]);
  v_key := v_ended.options ->> 'unique_key';
  if v_key is not null then
    select l.queue into v_queue from lanes l where l.id = v_ended.lane;
    insert into unique_keys (queue, key, block) values (v_queue, v_key, p_block) on conflict do nothing;
    if not found then
      v_rejection := jsonb_build_object('reason', 'key_full', 'depth', 1, 'limit', 1, 'retry_after', null, 'detail', '');
      return jsonb_build_object('acted', 'rejected', 'rejection', v_rejection);
    end if;
  end if;
  v_rejection := skep.take_room(v_ended.lane, 1);
  if v_rejection is not null then
    delete from unique_keys where queue = v_queue and key = v_key and block = p_block;
    return jsonb_build_object('acted', 'rejected', 'rejection', v_rejection);
  end if;
  v_member := set_bit(v_ended.members & ~v_ended.members, p_ordinal, 1);
  if v_ended.members = v_member then
    delete from finished where tableoid = v_ended.its_table and ctid = v_ended.its_row;
  else
    update finished set members = members & ~v_member where tableoid = v_ended.its_table and ctid = v_ended.its_row;
  end if;
  -- It ends the general way (ties): it has a history, which its counters do not show any more.
  insert into tasks (seq, run_at, created_at, block, lane, priority, n, low, ties, fence, settled, settled_as,
    live, options, body)
  values (v_ended.seq, v_now, v_ended.created_at, p_block, v_ended.lane, v_ended.priority, 1, p_ordinal,
    true, v_ended.fence, v_ended.settled, v_ended.settled_as, v_member, v_ended.options, v_ended.body);
  return jsonb_build_object('acted', 'done');
end
$$;
