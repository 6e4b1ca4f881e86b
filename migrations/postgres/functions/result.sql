-- What a task came to, so far: its state, and its result or its last error.
create or replace function skep.result(id uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, skep, pg_temp
as $$
declare
  v_task record;
begin
  select * into v_task from skep.see_task(result.id);
  if not found then
    raise exception 'no such task is kept' using errcode = 'SK005';
  end if;
  return jsonb_build_object('id', result.id, 'state', skep.state_name(v_task.state),
    'result', skep.as_json(v_task.result), 'error', v_task.error);
end
$$;
