-- Takes room for n tasks from a bounded scope, whole or not at all. Cells that others hold are stepped over,
-- so nobody waits for somebody's commit; when only what they hold would do, it waits for it up to a fifth of a
-- second. The caller has called stand().
create or replace function skep.take_cells(p_scope int, p_n bigint, p_capacity bigint) returns boolean
language plpgsql as $$
declare
  v_start int := floor(random() * 16);
  v_room bigint;
  v_least bigint;
begin
  for v_try in 1..40 loop
    select coalesce(sum(room), 0), coalesce(min(room), 0) into v_room, v_least
      from cells where scope = p_scope;
    if v_room < p_n then return false; end if;
    -- A debt begins with a change of the capacity, which we keep off: none begins from here on.
    if v_least < 0 then
      if skep.take_in_debt(p_scope, p_n, p_capacity) then return true; end if;
    else
      update cells set room = room - p_n where scope = p_scope and cell = (
        select c.cell from cells c where c.scope = p_scope and c.room >= p_n
        order by (c.cell + v_start) & 15 limit 1 for update skip locked);
      if found or skep.take_several(p_scope, p_n) then return true; end if;
    end if;
    perform pg_sleep(0.005);
  end loop;
  return false;
end $$;
