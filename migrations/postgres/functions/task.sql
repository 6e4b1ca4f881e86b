-- One task whole, for people. Moments are microseconds since 1970. Payloads and results that are not JSON are
-- shown in base64.
create or replace function skep.task(id uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, skep, pg_temp
as $$
declare
  v_task record;
begin
  select * into v_task from skep.see_task(task.id);
  if not found then
    raise exception 'no such task is kept' using errcode = 'SK005';
  end if;
  return jsonb_build_object('id', task.id, 'task_type', v_task.task_type, 'queue', v_task.queue,
    'state', skep.state_name(v_task.state), 'priority', v_task.priority, 'run_at', v_task.run_at,
    'attempts', v_task.attempts, 'losses', v_task.losses, 'interruptions', v_task.interruptions,
    'max_attempts', v_task.max_attempts, 'worker', v_task.worker, 'error', v_task.error,
    'result', skep.as_json(v_task.result), 'created_at', v_task.created_at,
    'finished_at', v_task.finished_at, 'payload', skep.as_json(v_task.payload),
    'content', v_task.content, 'history', v_task.history);
end
$$;
