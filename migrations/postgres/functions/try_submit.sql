-- submit() that answers instead of raising. `outcome`: accepted, existing, skipped, conflict or rejected; `id`
-- of the last but one is that of who is in the way.
create or replace function skep.try_submit(
  task_type text, payload jsonb default '{}', queue text default 'default', priority int default 3,
  run_at timestamptz default null, max_attempts int default null, unique_key text default null,
  on_conflict text default 'reject', postback text default null, inout id uuid default null,
  notify boolean default true,
  out outcome text, out reason text, out depth bigint, out capacity bigint, out retry_after interval)
language plpgsql security definer
set search_path = pg_catalog, skep, pg_temp set jit = off
set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_one record;
begin
  v_one := skep.submit_one(task_type, payload, queue, priority, run_at, max_attempts, unique_key, on_conflict,
    postback, id, notify);
  outcome := v_one.outcome;
  id := case when outcome <> 'rejected' then coalesce(v_one.holder, v_one.id) end;
  reason := v_one.rejection ->> 'reason';
  depth := (v_one.rejection ->> 'depth')::bigint;
  capacity := (v_one.rejection ->> 'limit')::bigint;
  retry_after := (v_one.rejection ->> 'retry_after')::int * interval '1 second';
end $$;
