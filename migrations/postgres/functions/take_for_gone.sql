-- An operator takes a drone for gone, whatever its lease says: see rescue(), of which this is one step. Answers
-- whether there is such a drone, and whether there may be more to do.
create or replace function skep.take_for_gone(p_drone uuid, out o_known boolean, out o_more boolean)
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp set jit = off
as $$
declare
  v_number bigint;
begin
  -- A beat that is under way is waited for: it may be this drone's.
  select d.number into v_number from drones d where d.incarnation = p_drone for update;
  o_known := found;
  o_more := o_known and skep.rescue(p_drone, v_number);
end
$$;
