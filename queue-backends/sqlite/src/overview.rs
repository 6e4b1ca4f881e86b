//! What an operator sees of queues and drones.

use skep_queue::{
    DroneFacts, Incarnation, QueueName, TaskType, Timestamp,
    admin::{DroneView, QueueView, TypeView, Waits},
};

use crate::{
    error::Error,
    lane::{QueueRow, queue_columns},
    mutant::mutant,
    row,
    turn::Turn,
};

const QUEUES: &str = concat!("select ", queue_columns!(), " from queues order by name");
const LANES: &str =
    "select task_type, depth, capacity, paused from lanes where queue = ?1 order by task_type";
/// By queue, state and how long they have been due: each bound that a task has not yet reached counts one.
const COUNTS: &str = "select l.queue, case when p.state = 1 and p.run_at <= ?1 then 0 else p.state end s, \
     sum(p.n), min(p.run_at), (p.run_at > ?2) + (p.run_at > ?3) + (p.run_at > ?4) + (p.run_at > ?5) \
     + (p.run_at > ?6) younger from parts p join lanes l on l.id = p.lane group by l.queue, s, younger";
const DRONES: &str = "select incarnation, queue, beat_at, ttl, drain, facts from drones order by incarnation";

/// Tasks of a queue in one state, that have been due for about as long.
struct Count {
    queue: QueueName,
    state: u8,
    tasks: u64,
    /// When the first of them is due.
    earliest: Timestamp,
}

impl Turn<'_> {
    /// Every queue, by name.
    pub(crate) fn queues(&self) -> Result<Vec<QueueView>, Error> {
        let (counts, drones) = (self.counts()?, self.drones()?);
        let queues = row::all(self.db, QUEUES, [], QueueRow::read)?;
        let view = |queue: QueueRow| {
            let counts: Vec<&Count> = counts.iter().filter(|count| count.queue == queue.name).collect();
            let of = |state: u8| counts.iter().filter(move |count| count.state == state);
            let count = |state: u8| of(state).map(|count| count.tasks).sum();
            let mut waits = Waits::default();
            let claimed = of(2).filter(|_| mutant!(ClaimedAge));
            of(0).chain(claimed).for_each(|c| waits.add(self.now.since(c.earliest), c.tasks));
            Ok(QueueView {
                depth: queue.depth,
                capacity: queue.capacity,
                available: count(0),
                scheduled: count(1),
                claimed: count(2),
                paused: queue.paused,
                intake: queue.intake,
                retention: queue.retention.as_secs(),
                promote_after: queue.promote_after,
                waiting_since: of(0).map(|count| count.earliest).min(),
                waits,
                types: self.types(&queue.name, &drones)?,
                name: queue.name,
            })
        };
        queues.into_iter().map(view).collect()
    }

    fn counts(&self) -> Result<Vec<Count>, Error> {
        let [a, b, c, d, e] = Waits::BOUNDS.map(|bound| (self.now - bound).micros());
        row::all(self.db, COUNTS, [self.now.micros(), a, b, c, d, e], |row| {
            let (queue, state, tasks) = (row::name(row, 0)?, row.get(1)?, row::count(row, 2)?);
            Ok(Count { queue, state, tasks, earliest: Timestamp::from_micros(row.get(3)?) })
        })
    }

    fn types(&self, queue: &QueueName, drones: &[DroneView]) -> Result<Vec<TypeView>, Error> {
        row::all(self.db, LANES, [queue.as_str()], |row| {
            let name: TaskType = row::name(row, 0)?;
            let served = drones.iter().any(|d| d.queue == *queue && d.facts.types.contains(&name));
            let (depth, capacity) = (row::count(row, 1)?, row::maybe_count(row, 2)?);
            Ok(TypeView { name, depth, capacity, paused: row.get(3)?, served })
        })
    }

    /// Every drone that is not yet given up.
    pub(crate) fn drones(&self) -> Result<Vec<DroneView>, Error> {
        row::all(self.db, DRONES, [], |row| {
            let beat_at: i64 = row.get(2)?;
            let facts: DroneFacts = serde_json::from_str(&row.get::<_, String>(5)?).unwrap_or_default();
            Ok(DroneView {
                incarnation: row::id(row, 0, Incarnation::from_bytes)?,
                queue: row::name(row, 1)?,
                beat_at: Timestamp::from_micros(beat_at),
                silent: beat_at.saturating_add(row.get(3)?) <= self.now.micros(),
                draining: row.get(4)?,
                facts,
            })
        })
    }
}
