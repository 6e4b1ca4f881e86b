-- Takes room for n tasks of a lane, whole or not at all: null, or the rejection.
create or replace function skep.take_room(p_lane int, p_n int) returns jsonb
language plpgsql as $$
declare
  v_lane record;
begin
  perform skep.hold(l.queue) from lanes l where l.id = p_lane;
  select q.id as queue, q.capacity as queue_capacity, l.capacity into strict v_lane
    from lanes l join queues q on q.id = l.queue where l.id = p_lane;
  return skep.take_bounds(v_lane.queue, v_lane.queue_capacity, p_lane, v_lane.capacity, p_n);
end $$;
