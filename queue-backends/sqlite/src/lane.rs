//! Queues, and their lanes (a queue's tasks of one type), as one transaction sees them: read when first
//! named, counted in memory, written once at its end.

use std::time::Duration;

use rusqlite::{Connection, Row, params};
use skep_queue::{QueueName, Reason, Rejection, TaskType, admin::Intake, block::DEFAULT_MAX_PAYLOAD};

use crate::{
    error::Error,
    mutant::{self, mutant},
    row,
};

/// How long terminal tasks are kept unless a queue says otherwise.
const RETENTION: Duration = Duration::from_secs(24 * 3600);

/// A row of `queues`.
#[derive(Debug, Clone)]
pub(crate) struct QueueRow {
    pub(crate) name: QueueName,
    pub(crate) depth: u64,
    pub(crate) capacity: Option<u64>,
    pub(crate) paused: bool,
    pub(crate) intake: Intake,
    pub(crate) retention: Duration,
    pub(crate) max_payload: usize,
    pub(crate) promote_after: Option<Duration>,
    /// Whether it differs from the file.
    changed: bool,
}

/// A row of `lanes`.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    /// 0 until something is stored: what is refused must leave nothing behind.
    pub(crate) id: i64,
    pub(crate) queue: usize,
    pub(crate) task_type: TaskType,
    pub(crate) depth: u64,
    pub(crate) capacity: Option<u64>,
    pub(crate) paused: bool,
    changed: bool,
}

/// Those that a transaction has named so far; lanes and queues are called by their place in here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lanes {
    queues: Vec<QueueRow>,
    lanes: Vec<Lane>,
}

/// The columns that [`QueueRow::read`] reads.
macro_rules! queue_columns {
    () => {
        "name, depth, capacity, paused, intake, retention, max_payload, promote_after"
    };
}
pub(crate) use queue_columns;

const QUEUE: &str = concat!("select ", queue_columns!(), " from queues where name = ?1");
const WRITE_QUEUE: &str = concat!(
    "insert into queues (",
    queue_columns!(),
    ") values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) on conflict (name) do update set depth = ?2, capacity = ?3, \
     paused = ?4, intake = ?5, retention = ?6, max_payload = ?7, promote_after = ?8"
);
const LANE: &str =
    "select id, queue, task_type, depth, capacity, paused from lanes where queue = ?1 and task_type = ?2";
const LANE_BY_ID: &str = "select id, queue, task_type, depth, capacity, paused from lanes where id = ?1";
const NEW_LANE: &str =
    "insert into lanes (queue, task_type, depth, capacity, paused) values (?1, ?2, 0, null, 0)";
const WRITE_LANE: &str = "update lanes set depth = ?2, capacity = ?3, paused = ?4 where id = ?1";

// === impl QueueRow ===

impl QueueRow {
    /// Reads [`queue_columns`].
    pub(crate) fn read(row: &Row<'_>) -> Result<Self, Error> {
        let intake = [Intake::Open, Intake::Paused, Intake::Draining];
        Ok(Self {
            name: row::name(row, 0)?,
            depth: row::count(row, 1)?,
            capacity: row::maybe_count(row, 2)?,
            paused: row.get(3)?,
            intake: intake.get(usize::from(row.get::<_, u8>(4)?)).copied().unwrap_or_default(),
            retention: Duration::from_micros(row::count(row, 5)?),
            max_payload: row::count(row, 6)? as usize,
            promote_after: row::maybe_count(row, 7)?.map(Duration::from_micros),
            changed: false,
        })
    }

    fn new(name: QueueName) -> Self {
        Self {
            name,
            depth: 0,
            capacity: None,
            paused: false,
            intake: Intake::Open,
            retention: RETENTION,
            max_payload: DEFAULT_MAX_PAYLOAD,
            promote_after: None,
            changed: false,
        }
    }

    fn write(&mut self, db: &Connection) -> Result<(), Error> {
        let (intake, retention) = (self.intake as u8, micros(self.retention));
        let (depth, name) = (self.depth.cast_signed(), self.name.as_str());
        let row = params![
            name,
            depth,
            stored(self.capacity),
            self.paused,
            intake,
            retention,
            self.max_payload as i64,
            self.promote_after.map(micros)
        ];
        row::run(db, WRITE_QUEUE, row)?;
        self.changed = false;
        Ok(())
    }
}

/// A bound as stored.
fn stored(bound: Option<u64>) -> Option<i64> {
    bound.map(|bound| i64::try_from(bound).unwrap_or(i64::MAX))
}

/// A duration as stored.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

// === impl Lanes ===

impl Lanes {
    /// A queue, which need not exist yet.
    pub(crate) fn queue(&mut self, db: &Connection, name: &QueueName) -> Result<usize, Error> {
        if let Some(known) = self.queues.iter().position(|queue| queue.name == *name) {
            return Ok(known);
        }
        let row = if mutant!(CountOutside) {
            row::first(&mutant::outside(db)?, QUEUE, [name.as_str()], QueueRow::read)?
        } else {
            row::first(db, QUEUE, [name.as_str()], QueueRow::read)?
        };
        self.queues.push(row.unwrap_or_else(|| QueueRow::new(name.clone())));
        Ok(self.queues.len() - 1)
    }

    /// A lane, which need not exist yet.
    pub(crate) fn lane(
        &mut self,
        db: &Connection,
        queue: &QueueName,
        task_type: &TaskType,
    ) -> Result<usize, Error> {
        let queue = self.queue(db, queue)?;
        let same = |lane: &Lane| lane.queue == queue && lane.task_type == *task_type;
        if let Some(known) = self.lanes.iter().position(same) {
            return Ok(known);
        }
        let names = [self.queues[queue].name.as_str(), task_type.as_str()];
        let stored = row::first(db, LANE, names, |row| read_lane(row, queue))?;
        self.lanes.push(stored.unwrap_or_else(|| Lane {
            id: 0,
            queue,
            task_type: task_type.clone(),
            depth: 0,
            capacity: None,
            paused: false,
            changed: false,
        }));
        Ok(self.lanes.len() - 1)
    }

    /// The lane of a row that names it.
    pub(crate) fn by_id(&mut self, db: &Connection, id: i64) -> Result<usize, Error> {
        if let Some(known) = self.lanes.iter().position(|lane| lane.id == id) {
            return Ok(known);
        }
        let found = row::first(db, LANE_BY_ID, [id], |row| {
            let queue = self.queue(db, &row::name(row, 1)?)?;
            read_lane(row, queue)
        })?;
        self.lanes.push(found.ok_or_else(|| Error::Corrupt(format!("lane {id} is missing")))?);
        Ok(self.lanes.len() - 1)
    }

    /// The row id of a lane, made when something is about to be stored.
    pub(crate) fn stored(&mut self, db: &Connection, lane: usize) -> Result<i64, Error> {
        if self.lanes[lane].id == 0 {
            let queue = &mut self.queues[self.lanes[lane].queue];
            queue.write(db)?;
            row::run(db, NEW_LANE, [queue.name.as_str(), self.lanes[lane].task_type.as_str()])?;
            self.lanes[lane].id = db.last_insert_rowid();
        }
        Ok(self.lanes[lane].id)
    }

    pub(crate) fn at(&self, lane: usize) -> &Lane {
        &self.lanes[lane]
    }

    pub(crate) fn queue_of(&self, lane: usize) -> &QueueRow {
        &self.queues[self.lanes[lane].queue]
    }

    /// For settings.
    pub(crate) fn change_lane(&mut self, lane: usize) -> &mut Lane {
        self.lanes[lane].changed = true;
        &mut self.lanes[lane]
    }

    /// For settings.
    pub(crate) fn change_queue(&mut self, queue: usize) -> &mut QueueRow {
        self.queues[queue].changed = true;
        &mut self.queues[queue]
    }

    /// Counts tasks in (positive) or out.
    pub(crate) fn count(&mut self, lane: usize, tasks: i64) {
        let lane = self.change_lane(lane);
        lane.depth = lane.depth.saturating_add_signed(tasks);
        let queue = lane.queue;
        let queue = self.change_queue(queue);
        queue.depth = queue.depth.saturating_add_signed(tasks);
    }

    /// How many of `wanted` tasks fit (all, unless a part will do), and the first bound that refuses one:
    /// the queue's, then the type's.
    pub(crate) fn room(&self, lane: usize, wanted: u64, partial: bool) -> (u64, Option<Rejection>) {
        let (lane, queue) = (self.at(lane), self.queue_of(lane));
        let bounds = [
            (Reason::QueueFull, queue.depth, queue.capacity.unwrap_or(u64::MAX)),
            (Reason::TypeFull, lane.depth, lane.capacity.unwrap_or(u64::MAX)),
        ];
        let least = bounds.iter().map(|(_, depth, limit)| limit.saturating_sub(*depth)).min().unwrap_or(0);
        if least >= wanted {
            return (wanted, None);
        }
        let (fits, next) = if partial { (least, least + 1) } else { (0, wanted) };
        let refuses = bounds.iter().find(|(_, depth, limit)| depth.saturating_add(next) > *limit);
        (fits, refuses.map(|(reason, depth, limit)| Rejection::full(*reason, depth + fits, *limit)))
    }

    /// Writes what changed.
    pub(crate) fn write(&mut self, db: &Connection) -> Result<(), Error> {
        for lane in self.lanes.iter_mut().filter(|lane| lane.changed) {
            let row = params![lane.id, lane.depth.cast_signed(), stored(lane.capacity), lane.paused];
            row::run(db, WRITE_LANE, row)?;
            lane.changed = false;
        }
        self.queues.iter_mut().filter(|queue| queue.changed).try_for_each(|queue| queue.write(db))
    }
}

fn read_lane(row: &Row<'_>, queue: usize) -> Result<Lane, Error> {
    Ok(Lane {
        id: row.get(0)?,
        queue,
        task_type: row::name(row, 2)?,
        depth: row::count(row, 3)?,
        capacity: row::maybe_count(row, 4)?,
        paused: row.get(5)?,
        changed: false,
    })
}
