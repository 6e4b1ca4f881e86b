-- Tells a drone to drain; false when there is none.
create or replace function skep.drain(p_drone uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp
as $$
begin
  update drones set drain = true where incarnation = p_drone;
  return found;
end
$$;
