-- Writes the ledger of a scope: so much room, in up to 16 cells; in as many as the capacity has tasks, when
-- that is fewer. A debt stands in the first.
create or replace function skep.spread(p_scope int, p_capacity bigint, p_room bigint) returns void
language plpgsql as $$
declare
  v_cells bigint := greatest(least(p_capacity, 16), 1);
begin
  delete from cells where scope = p_scope;
  insert into cells (scope, cell, room)
    select p_scope, i,
      case when p_room >= 0 then p_room / v_cells + (i < p_room % v_cells)::int
        when i = 0 then p_room else 0 end
    from generate_series(0, v_cells - 1) i;
end $$;
