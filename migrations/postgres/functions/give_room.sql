-- n tasks of a lane have ended: gives their room back. Before they ended, stand() was called.
create or replace function skep.give_room(p_lane int, p_n int) returns void
language plpgsql as $$
declare
  v_lane record;
begin
  select q.id as queue, q.capacity as queue_capacity, l.capacity into strict v_lane
    from lanes l join queues q on q.id = l.queue where l.id = p_lane;
  if v_lane.queue_capacity is not null then perform skep.give_cells(v_lane.queue, p_n); end if;
  if v_lane.capacity is not null then perform skep.give_cells(-p_lane, p_n); end if;
end $$;
