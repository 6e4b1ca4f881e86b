//! What an operator sees of queues and drones.

use skep_queue::{
    DroneFacts, Incarnation, QueueName, TaskType, Timestamp,
    admin::{DroneView, QueueView, TypeView},
};

use crate::{
    error::Error,
    lane::{QueueRow, queue_columns},
    row,
    turn::Turn,
};

const QUEUES: &str = concat!("select ", queue_columns!(), " from queues order by name");
const LANES: &str =
    "select task_type, depth, capacity, paused from lanes where queue = ?1 order by task_type";
const COUNTS: &str = "select l.queue, case when p.state = 1 and p.run_at <= ?1 then 0 else p.state end s, \
     sum(p.n), min(p.run_at) from parts p join lanes l on l.id = p.lane group by l.queue, s";
const DRONES: &str = "select incarnation, queue, beat_at, ttl, drain, facts from drones order by incarnation";

impl Turn<'_> {
    /// Every queue, by name.
    pub(crate) fn queues(&self) -> Result<Vec<QueueView>, Error> {
        let counts = row::all(self.db, COUNTS, [self.now.micros()], |row| {
            let name: QueueName = row::name(row, 0)?;
            let earliest = Timestamp::from_micros(row.get(3)?);
            Ok((name, row.get::<_, u8>(1)?, row::count(row, 2)?, earliest))
        })?;
        let drones = self.drones()?;
        let queues = row::all(self.db, QUEUES, [], QueueRow::read)?;
        let view = |queue: QueueRow| {
            let of = |state: u8| counts.iter().find(|(name, s, ..)| *name == queue.name && *s == state);
            let count = |state: u8| of(state).map_or(0, |(_, _, tasks, _)| *tasks);
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
                waiting_since: of(0).map(|(.., earliest)| *earliest),
                types: self.types(&queue.name, &drones)?,
                name: queue.name,
            })
        };
        queues.into_iter().map(view).collect()
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
