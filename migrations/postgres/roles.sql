-- Who may do what. Nobody gets anything by being in the database: groups do, and logins are put into groups by
-- whoever runs the server (grant skep_drone to image_drones).

-- The groups belong to the whole server. Where this role may not make them, somebody who may is asked to.
do $$
begin
  begin create role skep_submit nologin; exception when duplicate_object or unique_violation or insufficient_privilege then null; end;
  begin create role skep_drone nologin; exception when duplicate_object or unique_violation or insufficient_privilege then null; end;
  begin create role skep_view nologin; exception when duplicate_object or unique_violation or insufficient_privilege then null; end;
  begin create role skep_admin nologin; exception when duplicate_object or unique_violation or insufficient_privilege then null; end;
end $$;

revoke all on schema skep from public;
revoke all on all tables in schema skep from public;
revoke all on all sequences in schema skep from public;
revoke all on all functions in schema skep from public;

do $$
declare
  v_grant record;
  v_missing text;
begin
  select string_agg(format('create role %I nologin;', g), ' ') into v_missing
  from unnest('{skep_submit,skep_drone,skep_view,skep_admin}'::text[]) g
  where not exists (select from pg_catalog.pg_roles where rolname = g);
  if v_missing is not null then
    raise warning 'skep''s groups are missing, and this role may not make them: ask the administrator for: %, then run this again', v_missing;
  end if;

  for v_grant in
    select g, what from (values
      ('schema skep', 'usage', 'skep_submit skep_drone skep_view skep_admin'),
      ('skep.schema_parts', 'select', 'skep_submit skep_drone skep_view skep_admin'),
      ('skep.task_list', 'select', 'skep_view skep_admin'),
      ('skep.queue_stats', 'select', 'skep_view skep_admin'),
      ('skep.drone_list', 'select', 'skep_view skep_admin'),
      -- Payloads, results and errors.
      ('all tables in schema skep', 'select', 'skep_admin')
    ) list (thing, verb, groups)
    cross join regexp_split_to_table(groups, ' ') g
    cross join lateral (select format('grant %s on %s to %I', verb, thing, g) as what) grants
    where exists (select from pg_catalog.pg_roles where rolname = g)
    union all
    select g, format('grant execute on function %s to %I', p.oid::regprocedure, g)
    from (values
      -- Every function that may be called, and by whom; what is not here is for functions alone.
      -- to submit
      ('submit', 'skep_submit'),
      ('try_submit', 'skep_submit'),
      ('submit_many', 'skep_submit'),
      ('submit_row', 'skep_submit'),
      ('submit_blocks', 'skep_submit'),
      -- to pump and settle
      ('pump', 'skep_drone'),
      ('settle', 'skep_drone'),
      ('flush', 'skep_drone'),
      ('complete_in', 'skep_drone'),
      ('beat', 'skep_drone'),
      ('adopt', 'skep_drone'),
      ('rescue', 'skep_drone'),
      ('maintain', 'skep_drone'),
      ('awaits', 'skep_drone'),
      -- to look; payloads, results and errors are for those who operate
      ('see_queues', 'skep_drone skep_view skep_admin'),
      ('see_drones', 'skep_drone skep_view skep_admin'),
      ('see_tasks', 'skep_admin'),
      ('see_task', 'skep_admin'),
      ('task', 'skep_admin'),
      ('result', 'skep_admin'),
      -- what views call is called by whoever reads them
      ('now', 'skep_view skep_admin'),
      ('has', 'skep_view skep_admin'),
      ('task_id', 'skep_view skep_admin'),
      ('state_name', 'skep_view skep_admin'),
      -- to operate
      ('act', 'skep_admin'),
      ('cancel', 'skep_admin'),
      ('retry', 'skep_admin'),
      ('change', 'skep_admin'),
      ('pause', 'skep_admin'),
      ('resume', 'skep_admin'),
      ('set_capacity', 'skep_admin'),
      ('drain', 'skep_admin'),
      ('take_for_gone', 'skep_admin'),
      -- for everybody
      ('ring', 'skep_submit skep_drone skep_admin'),
      ('schema_version', 'skep_submit skep_drone skep_view skep_admin')
    ) list (name, groups)
    join pg_catalog.pg_proc p on p.proname = list.name and p.pronamespace = 'skep'::regnamespace
    cross join regexp_split_to_table(groups, ' ') g
    where exists (select from pg_catalog.pg_roles where rolname = g)
  loop
    execute v_grant.what;
  end loop;
end $$;
