-- Makes sure that the ledgers of these lanes and of their queues stand. To be called before anything of theirs
-- is added or ended: see rebuild().
create or replace function skep.stand(p_lanes int[]) returns void
language plpgsql as $$
declare
  v_queue int;
begin
  perform skep.hold(q.queue)
    from (select distinct l.queue from lanes l where l.id = any (p_lanes) order by l.queue) q;
  for v_queue in
    select l.queue from lanes l join queues q on q.id = l.queue
    where l.id = any (p_lanes)
      and (q.capacity is not null and not exists (select from cells c where c.scope = q.id)
        or l.capacity is not null and not exists (select from cells c where c.scope = -l.id))
    order by l.queue
  loop
    perform skep.rebuild(v_queue);
  end loop;
end $$;
