-- Takes room from as many cells as it needs, of those that nobody holds; or from none.
create or replace function skep.take_several(p_scope int, p_n bigint) returns boolean
language plpgsql as $$
declare
  v_start int := floor(random() * 16);
  v_left bigint := p_n;
  v_cell record;
  v_cells cursor for
    select c.cell, c.room from cells c where c.scope = p_scope and c.room > 0
    order by (c.cell + v_start) & 15 for update skip locked;
begin
  open v_cells;
  loop
    fetch v_cells into v_cell;
    exit when not found;
    update cells set room = room - least(v_cell.room, v_left) where scope = p_scope and cell = v_cell.cell;
    v_left := v_left - least(v_cell.room, v_left);
    exit when v_left = 0;
  end loop;
  close v_cells;
  if v_left > 0 then raise exception using errcode = 'SK999'; end if;
  return true;
exception when sqlstate 'SK999' then
  return false;
end $$;
