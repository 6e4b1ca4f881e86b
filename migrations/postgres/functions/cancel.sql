-- Cancels a task: at once when it waits (done), through its drone when it is claimed (requested). What has
-- ended is unchanged.
create or replace function skep.cancel(id uuid) returns text
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp
as $$
begin
  return skep.acted(skep.act('cancel', array[cancel.id]) -> 0);
end
$$;
