-- Takes room for n tasks, or with p_partial for as many of them as fit: answers how many, and the first bound
-- that refuses one more.
create or replace function skep.fits(
  p_partial boolean, p_queue int, p_queue_capacity bigint, p_lane int, p_lane_capacity bigint, p_n int,
  out fits int, out rejection jsonb)
language plpgsql as $$
begin
  fits := p_n;
  for v_try in 1..10 loop
    rejection := skep.take_bounds(p_queue, p_queue_capacity, p_lane, p_lane_capacity, fits);
    exit when rejection is null;
    if not p_partial then
      fits := 0;
      return;
    end if;
    select greatest(0, least(fits - 1,
        (select sum(c.room) from cells c where c.scope = p_queue and p_queue_capacity is not null),
        (select sum(c.room) from cells c where c.scope = -p_lane and p_lane_capacity is not null)))
      into fits;
    exit when fits = 0;
  end loop;
  if rejection is not null then fits := 0; end if;
  if fits = p_n then return; end if;
  rejection := skep.full(p_queue, 1, p_queue_capacity);
  if p_queue_capacity is null
    or p_lane_capacity is not null and (rejection ->> 'depth')::bigint < p_queue_capacity then
    rejection := skep.full(-p_lane, 1, p_lane_capacity);
  end if;
end $$;
