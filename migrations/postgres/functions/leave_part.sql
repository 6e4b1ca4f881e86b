-- Members of a row end for good, with all that follows from it but their postbacks, which are answered: null
-- when nobody wants them.
create or replace function skep.leave_part(
  p_block uuid, p_low smallint, p_members varbit, p_state smallint, p_attempts smallint, p_losses smallint,
  p_interruptions smallint, p_settled uuid, p_settled_as smallint, p_worker text, p_error text,
  p_results bytea
) returns jsonb
language plpgsql
as $$
declare
  v_now timestamptz := skep.now();
  v_row tasks;
  v_members varbit;
  v_left varbit;
  v_queue int;
  v_retention interval;
begin
  select * into strict v_row from tasks t where t.block = p_block and t.low = p_low for update;
  v_members := v_row.live & skep.fit(p_members, length(v_row.live));
  v_left := v_row.live & ~v_members;
  select q.id, q.retention into strict v_queue, v_retention
  from lanes l join queues q on q.id = l.queue where l.id = v_row.lane;
  perform skep.stand(array[v_row.lane]);
  if position(B'1' in v_left) = 0 then
    delete from tasks t where t.block = p_block and t.low = p_low;
  else
    update tasks t set live = v_left, n = bit_count(v_left), low = position(B'1' in v_left) - 1
    where t.block = p_block and t.low = p_low;
  end if;
  perform skep.give_room(v_row.lane, bit_count(v_members)::int);
  if v_row.options ? 'unique_key' then
    delete from unique_keys k
    where k.queue = v_queue and k.key = v_row.options ->> 'unique_key' and k.block = p_block;
  end if;
  if v_retention > interval '0' then
    insert into finished (block, lane, members, state, priority, seq, run_at, created_at, finished_at, expires_at,
      attempts, losses, interruptions, fence, settled, settled_as, worker, options, body, results)
    values (p_block, v_row.lane, v_members, p_state, v_row.priority, v_row.seq, v_row.run_at, v_row.created_at,
      v_now, v_now + v_retention, p_attempts, p_losses, p_interruptions, v_row.fence,
      coalesce(p_settled, v_row.settled), case when p_settled is null then v_row.settled_as else p_settled_as end,
      p_worker, v_row.options, v_row.body, p_results);
  else
    perform skep.forget(array[p_block]);
  end if;
  if v_row.options ? 'postback' then
    return skep.postbacks(p_block, v_members, v_row.lane, v_row.options ->> 'postback', p_state, p_error, p_results);
  end if;
  return null;
end $$;
