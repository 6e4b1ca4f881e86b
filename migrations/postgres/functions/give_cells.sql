-- Gives room back to a bounded scope, and waits for nobody: when all cells are held it opens another. There
-- are never more than transactions at one time.
create or replace function skep.give_cells(p_scope int, p_n bigint) returns void
language plpgsql as $$
declare
  v_start int := floor(random() * 16);
begin
  update cells set room = room + p_n where scope = p_scope and cell = (
    select c.cell from cells c where c.scope = p_scope
    order by (c.cell + v_start) & 15 limit 1 for update skip locked);
  if found then return; end if;
  if not exists (select from cells where scope = p_scope) then
    raise exception 'tasks of scope % ended before its ledger stood', p_scope;
  end if;
  loop
    insert into cells (scope, cell, room) values (p_scope, 16 + floor(random() * 32000), p_n)
      on conflict do nothing;
    exit when found;
  end loop;
end $$;
