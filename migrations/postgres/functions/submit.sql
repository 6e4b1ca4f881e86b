-- Submits one task, in the caller's transaction, and answers its id (or of a key that was skipped, that of who
-- has it). Raises SK001 to SK004: see refuse(), and docs/sql.md.
create or replace function skep.submit(
  task_type text, payload jsonb default '{}', queue text default 'default', priority int default 3,
  run_at timestamptz default null, max_attempts int default null, unique_key text default null,
  on_conflict text default 'reject', postback text default null, id uuid default null,
  notify boolean default true) returns uuid
language plpgsql security definer
set search_path = pg_catalog, skep, pg_temp set jit = off
set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_one record;
begin
  v_one := skep.submit_one(task_type, payload, queue, priority, run_at, max_attempts, unique_key, on_conflict,
    postback, id, notify);
  if v_one.outcome in ('conflict', 'rejected') then
    perform skep.refuse(queue, task_type, v_one.outcome, v_one.holder, v_one.rejection);
  end if;
  return coalesce(v_one.holder, v_one.id);
end $$;
