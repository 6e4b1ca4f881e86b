-- How many tasks a scope holds that are not terminal.
create or replace function skep.count_tasks(p_scope int) returns bigint
language sql volatile
as $$
  select coalesce(sum(t.n), 0)::bigint from tasks t
  where t.lane = any (array(select l.id from lanes l where l.queue = p_scope or l.id = -p_scope))
$$;
