-- When every drone that was known before the crash has spoken, or its lease is over, nobody is waited for any more.
create or replace function skep.end_recovery() returns void
language sql
as $$
  update recovery r set over = true
  where not r.over and not exists (
    select from drones d where r.since + d.ttl > skep.now()
      and not exists (select from heard h where h.incarnation = d.incarnation));
$$;
