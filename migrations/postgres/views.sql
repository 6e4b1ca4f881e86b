-- What readers see. No payload, no result and no error text: those may hold what is nobody's business.
drop view if exists skep.task_list, skep.queue_stats, skep.drone_list;

-- One row a task. The id of a member is that of its block with the ordinal in the last 16 bits.
create view skep.task_list as
select
  case length(t.members) when 1 then t.block
    else (substr(t.block::text, 1, 32) || lpad(to_hex(o), 4, '0'))::uuid end as id,
  l.task_type, q.name as queue, t.state, t.priority, t.run_at, t.attempts, t.losses, t.interruptions,
  t.created_at, t.finished_at, t.worker
from (
  select block, lane, live as members,
    case when held then 'claimed' when later then 'scheduled' else 'available' end as state,
    priority, run_at, attempts, losses, interruptions, created_at,
    null::timestamptz as finished_at, null::text as worker
  from skep.tasks
  union all
  select block, lane, members,
    case state when 3 then 'completed' when 4 then 'discarded' else 'cancelled' end,
    priority, run_at, attempts, losses, interruptions, created_at, finished_at, worker
  from skep.finished where expires_at > skep.now()
) t
join skep.lanes l on l.id = t.lane
join skep.queues q on q.id = l.queue
cross join lateral generate_series(0, length(t.members) - 1) o
where get_bit(t.members, o) = 1;

-- One row a queue and type that was ever used.
create view skep.queue_stats as
select
  q.name as queue, l.task_type, coalesce(sum(t.n), 0)::bigint as depth, l.capacity, q.capacity as queue_capacity,
  coalesce(sum(t.n) filter (where t.later and not t.held), 0)::bigint as scheduled,
  coalesce(sum(t.n) filter (where not t.later and not t.held), 0)::bigint as available,
  coalesce(sum(t.n) filter (where t.held), 0)::bigint as claimed,
  q.paused or l.paused as paused
from skep.lanes l
join skep.queues q on q.id = l.queue
left join skep.tasks t on t.lane = l.id
group by q.id, l.id;

-- One row an incarnation of a drone.
create view skep.drone_list as
select incarnation, queue, facts ->> 'name' as name, facts ->> 'host' as host, beat_at, ttl, drain as draining
from skep.drones;
