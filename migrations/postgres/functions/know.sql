-- A drone that claims before it ever beat must be found when it is lost. What inserts a drone commits as the server
-- is set to, so that whoever sees it here, and claims without waiting for the disk, is waited for after a crash.
create or replace function skep.know(p_drone uuid, p_queue text) returns void
language plpgsql
as $$
begin
  if not exists (select 1 from drones d where d.incarnation = p_drone) then
    insert into drones (incarnation, queue, number, beat_at, ttl, facts)
    values (p_drone, p_queue, nextval('beats'), skep.now(), interval '60 seconds', '{}')
    on conflict do nothing;
  end if;
end $$;
