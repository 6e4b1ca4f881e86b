-- Counts anew what bounded scopes of a queue have no cells: Postgres crashed, which emptied the ledger.
--
-- The count is exact. It sees what is committed, and what this transaction did. What others have under way
-- cannot matter: whoever adds tasks takes room first, whoever ends tasks calls stand() first, and both would
-- have found no cell, come here, and held this lock to their commit. Nobody is left from before the crash, but
-- prepared transactions: they keep the lock of hold(), and so are seen. And no scope becomes bounded meanwhile
-- without cells: the caller has called hold().
create or replace function skep.rebuild(p_queue int) returns void
language plpgsql as $$
declare
  v_scope record;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using errcode = 'object_not_in_prerequisite_state',
      message = 'the tasks of a bounded queue must be counted anew, which this isolation level cannot',
      hint = 'The server has crashed. Submit once in a transaction that is read committed, then try again.';
  end if;
  perform pg_advisory_xact_lock(1936418161, p_queue);
  if exists (select from pg_locks k join pg_database d on d.oid = k.database
             where k.locktype = 'advisory' and k.classid = 1936418160 and k.objid = p_queue
               and k.pid is null and d.datname = current_database()) then
    raise exception using errcode = 'object_not_in_prerequisite_state',
      message = 'a prepared transaction that submitted has outlived a crash, so the queue cannot be counted',
      hint = 'Commit it, or roll it back: see pg_prepared_xacts.';
  end if;
  for v_scope in
    select s.scope, s.capacity from (
      select q.id, q.capacity from queues q where q.id = p_queue
      union all select -l.id, l.capacity from lanes l where l.queue = p_queue) s (scope, capacity)
    where s.capacity is not null and not exists (select from cells c where c.scope = s.scope)
  loop
    perform skep.spread(v_scope.scope, v_scope.capacity, v_scope.capacity - skep.count_tasks(v_scope.scope));
  end loop;
end $$;
