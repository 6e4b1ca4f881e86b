-- Renews a drone's lease; answers its orders, and every drone's pulse, from which the caller tells whom it has
-- itself seen silent: see rescue(). A drone that is leaving gives back what the queue still has for it.
-- o_heard: whether it has said since the last crash what it holds; if not, nothing happened: that comes first, and
-- then the beat again. With p_flush a beat that was heard shows that all claims answered before it are on disk.
drop function if exists skep.beat(uuid, text, bigint, uuid[], jsonb, text[], boolean);
create or replace function skep.beat(
  p_drone uuid, p_queue text, p_ttl bigint, p_held uuid[], p_facts jsonb, p_types text[], p_leaving boolean,
  p_flush boolean, out o_lost uuid[], out o_phantoms uuid[], out o_cancel uuid[], out o_paused text[], out o_drain boolean,
  out o_drones uuid[], out o_numbers bigint[], out o_ttls bigint[], out o_heard boolean)
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp set jit = off
as $$
begin
  o_heard := exists (select from heard h where h.incarnation = p_drone);
  if not o_heard and not p_leaving then
    return;
  end if;
  -- The first beat takes over what a former incarnation claimed, and remembers alone; who left is not waited for.
  if not p_flush and not p_leaving and exists (select from drones d where d.incarnation = p_drone) then
    perform set_config('synchronous_commit', 'off', true);
  end if;
  if exists (select from recovery r where not r.over) then
    perform skep.end_recovery();
  end if;
  perform skep.promote();
  if not p_leaving then
    insert into drones as d (incarnation, queue, number, beat_at, ttl, facts)
    values (p_drone, p_queue, nextval('beats'), skep.now(), p_ttl * interval '1 microsecond', p_facts)
    on conflict (incarnation) do update set queue = excluded.queue, number = excluded.number,
      beat_at = excluded.beat_at, ttl = excluded.ttl, facts = excluded.facts
    returning d.drain into o_drain;
  end if;
  update claims c set drone = p_drone
  from (select h.claim from claims h where h.claim = any(p_held) order by h.claim for update) mine
  where c.claim = mine.claim and c.n > 0 and c.drone <> p_drone;
  select array_agg(h.claim) into o_lost from unnest(p_held) as h(claim)
  where not exists (select from claims c where c.claim = h.claim and c.drone = p_drone and c.n > 0);
  if p_leaving then
    perform skep.give_back(p_drone);
  else
    select array_agg(c.claim) into o_phantoms from claims c
    where c.drone = p_drone and c.n > 0 and c.claim <> all(p_held);
    select array_agg(skep.task_id(t.block, o.ordinal)) into o_cancel
    from tasks t join claims c on c.claim = t.claim
    cross join lateral generate_series(0, length(t.live) - 1) as o(ordinal)
    where t.cancel and t.held and c.drone = p_drone and skep.has(t.live, o.ordinal);
    select array_agg(p.task_type) into o_paused from unnest(p_types) as p(task_type)
    where exists (
      select from queues q left join lanes l on l.queue = q.id and l.task_type = p.task_type
      where q.name = p_queue and (q.paused or l.paused));
  end if;
  select array_agg(d.incarnation), array_agg(d.number), array_agg((extract(epoch from d.ttl) * 1000000)::bigint)
  into o_drones, o_numbers, o_ttls from drones d;
end
$$;
