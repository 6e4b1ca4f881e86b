-- Takes room for n tasks within the capacities of a queue and of one of its types, whole or not at all: null,
-- or the rejection. The caller has called hold(), and read the capacities after it.
create or replace function skep.take_bounds(
  p_queue int, p_queue_capacity bigint, p_lane int, p_lane_capacity bigint, p_n bigint) returns jsonb
language plpgsql as $$
begin
  if p_queue_capacity is null and p_lane_capacity is null then return null; end if;
  perform skep.stand(array[p_lane]);
  if p_queue_capacity is not null and not skep.take_cells(p_queue, p_n, p_queue_capacity) then
    return skep.full(p_queue, p_n, p_queue_capacity);
  end if;
  if p_lane_capacity is not null and not skep.take_cells(-p_lane, p_n, p_lane_capacity) then
    if p_queue_capacity is not null then perform skep.give_cells(p_queue, p_n); end if;
    return skep.full(-p_lane, p_n, p_lane_capacity);
  end if;
  return null;
end $$;
