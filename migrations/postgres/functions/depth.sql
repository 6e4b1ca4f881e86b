-- About how many tasks a queue holds, for an answer where no bound counted them: counts no more than 20,000
-- rows, so that whoever is refused again and again costs little.
create or replace function skep.depth(p_queue int) returns bigint
language sql volatile
as $$
  with types as materialized (select l.id from lanes l where l.queue = p_queue)
  select coalesce((select sum(room.capacity - room.free) from (
      select q.capacity, sum(c.room) from queues q join cells c on c.scope = q.id
      where q.id = p_queue and q.capacity is not null group by q.capacity) room (capacity, free)),
    (select coalesce(sum(t.n), 0) from (
      (select t.n from tasks t where t.lane = any (array(select id from types)) and not t.later limit 10000)
      union all
      (select t.n from (select n, lane from tasks where later limit 10000) t
       where t.lane in (select id from types))) t))::bigint
$$;
