-- Waits until no other transaction has added or ended tasks of a queue and not yet ended itself, and keeps it
-- so. Gives way each tenth of a second, and up after ten.
create or replace function skep.still(p_queue int) returns void
language plpgsql as $$
declare
  v_before text := current_setting('lock_timeout');
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using errcode = 'object_not_in_prerequisite_state',
      message = 'a capacity changes in a transaction that is read committed, since it counts';
  end if;
  perform set_config('lock_timeout', '100ms', true);
  for v_try in 1..70 loop
    begin
      perform pg_advisory_xact_lock(1936418160, p_queue);
      perform set_config('lock_timeout', v_before, true);
      return;
    exception when lock_not_available then
      perform pg_sleep(0.05);
    end;
  end loop;
  perform set_config('lock_timeout', v_before, true);
  raise exception using errcode = 'lock_not_available',
    message = 'transactions that submitted to this queue are open, and do not end',
    hint = 'See pg_stat_activity for what is idle in transaction; then try again.';
end $$;
