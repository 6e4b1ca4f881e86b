-- What people see. No payload, no result and no error text in what readers see: those may hold what is nobody's
-- business.
drop view if exists skep.task_list, skep.queue_stats, skep.drone_list, skep.shown;

-- Tasks as somebody sees them, waiting or ended: some members of a block in one state. Not for others' eyes.
create view skep.shown as
select t.block, t.lane, t.seq, t.live as members,
  (case when t.held then 2 when t.later and t.run_at > (select skep.now()) then 1 else 0 end)::smallint as state,
  t.priority, t.run_at, t.created_at, null::timestamptz as finished_at, t.attempts, t.losses, t.interruptions,
  case when t.held then t.claim end as claim, null::text as worker, t.options, t.body, null::bytea as results
from skep.tasks t
union all
select f.block, f.lane, f.seq, f.members, f.state,
  f.priority, f.run_at, f.created_at, f.finished_at, f.attempts, f.losses, f.interruptions,
  null, f.worker, f.options, f.body, f.results
from skep.finished f
where f.expires_at > (select skep.now());

-- One row a task, for readers: neither payloads nor errors.
create view skep.task_list with (security_barrier) as
select skep.task_id(s.block, o.ordinal) as id, l.task_type, q.name as queue,
  skep.state_name(s.state) as state, s.priority, s.run_at, s.attempts, s.losses, s.interruptions,
  s.created_at, s.finished_at,
  coalesce(s.worker, (select nullif(d.facts ->> 'name', '') from skep.claims c
    join skep.drones d on d.incarnation = c.drone where c.claim = s.claim)) as worker
from skep.shown s
join skep.lanes l on l.id = s.lane
join skep.queues q on q.id = l.queue
cross join lateral generate_series(0, length(s.members) - 1) as o(ordinal)
where skep.has(s.members, o.ordinal);

-- One row a queue's type, for readers and monitors. Unserved: it holds tasks, and no drone says that it runs them.
-- From `under_1s` to `longer`: how many of the available have been due for how long, each counted once.
create view skep.queue_stats with (security_barrier) as
select q.name as queue, l.task_type, coalesce(c.scheduled, 0) as scheduled,
  coalesce(c.depth - c.scheduled - c.claimed, 0) as available, coalesce(c.claimed, 0) as claimed,
  coalesce(c.depth, 0) as depth, l.capacity, q.capacity as queue_capacity, l.paused or q.paused as paused,
  (array['open', 'paused', 'draining'])[q.intake + 1] as intake, c.oldest,
  coalesce(c.under_1s, 0) as under_1s, coalesce(c.under_10s - c.under_1s, 0) as under_10s,
  coalesce(c.under_1m - c.under_10s, 0) as under_1m, coalesce(c.under_10m - c.under_1m, 0) as under_10m,
  coalesce(c.under_1h - c.under_10m, 0) as under_1h,
  coalesce(c.depth - c.scheduled - c.claimed - c.under_1h, 0) as longer,
  c.depth is not null and not exists (
    select from skep.drones d where d.queue = q.name and d.facts -> 'types' ? l.task_type) as unserved
from skep.lanes l
join skep.queues q on q.id = l.queue
left join (
  select t.lane, sum(t.n) as depth,
    coalesce(sum(t.n) filter (where t.since is null and not t.held), 0) as scheduled,
    coalesce(sum(t.n) filter (where t.held), 0) as claimed,
    min(t.since) as oldest,
    coalesce(sum(t.n) filter (where t.since > (select skep.now() - interval '1 second')), 0) as under_1s,
    coalesce(sum(t.n) filter (where t.since > (select skep.now() - interval '10 seconds')), 0) as under_10s,
    coalesce(sum(t.n) filter (where t.since > (select skep.now() - interval '1 minute')), 0) as under_1m,
    coalesce(sum(t.n) filter (where t.since > (select skep.now() - interval '10 minutes')), 0) as under_10m,
    coalesce(sum(t.n) filter (where t.since > (select skep.now() - interval '1 hour')), 0) as under_1h
  from (
    select k.lane, k.n, k.held,
      case when not k.held and not (k.later and k.run_at > (select skep.now())) then k.run_at end as since
    from skep.tasks k) t
  group by t.lane) c on c.lane = l.id;

-- One row a drone that is known.
create view skep.drone_list with (security_barrier) as
select d.incarnation, d.facts ->> 'name' as name, d.facts ->> 'host' as host, d.queue,
  d.facts ->> 'version' as version, d.facts -> 'types' as types, d.facts -> 'hands' as hands,
  d.facts -> 'held' as held, d.facts -> 'running' as running, d.beat_at, d.ttl,
  d.beat_at + d.ttl <= (select skep.now()) as silent, d.drain as draining
from skep.drones d;
