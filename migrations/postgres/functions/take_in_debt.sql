-- Takes room from a ledger with a debt: one cell's room may be another's debt, so that only all of them
-- together say what there is. Takes nothing while somebody else holds one of them.
create or replace function skep.take_in_debt(p_scope int, p_n bigint, p_capacity bigint) returns boolean
language plpgsql as $$
declare
  v_all bigint;
  v_held bigint;
  v_room bigint;
begin
  select count(*) into v_all from cells where scope = p_scope;
  select count(*), sum(c.room) into v_held, v_room
    from (select room from cells where scope = p_scope order by cell for update skip locked) c;
  if v_held < v_all or v_room < p_n then raise exception using errcode = 'SK999'; end if;
  perform skep.spread(p_scope, p_capacity, v_room - p_n);
  return true;
exception when sqlstate 'SK999' then
  return false;
end $$;
