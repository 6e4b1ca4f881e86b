-- Keeps the capacities of a queue and of its types as they are until this transaction ends. Whoever adds or
-- ends tasks calls it before it looks at a capacity; whoever changes one waits for all of them (see
-- set_capacity). In a stricter isolation the row that we see may be older than the lock: then locking the row
-- fails as a serialization failure does.
create or replace function skep.hold(p_queue int) returns void
language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(1936418160, p_queue);
  if current_setting('transaction_isolation') <> 'read committed' then
    perform 1 from queues where id = p_queue for share;
    perform 1 from lanes where queue = p_queue order by id for share;
  end if;
end $$;
