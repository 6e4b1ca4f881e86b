//! Delivering: from the spool to its queue, oldest first, under the ids it was kept with, so that what had
//! arrived before all is answered as existing. What finds no room waits, and so does what is behind it in
//! its queue; what the queue refuses for good is kept, and stands in nobody's way.

use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    sync::Arc,
    time::Duration,
};

use skep_queue::{Block, Due, Error as QueueError, Queue, QueueName, Rejection, Submission, TaskType};
use skep_sqlite::Error as DbError;

mod judge;

use judge::refuse;

use super::{
    Error, Fate, Key, Pace, Row, Spool, Verdict,
    open::{beside, open_lock},
};

/// How long one call may take, of a submitter that comes by, and else. What comes of it later is answered as
/// existing.
const CALLS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

/// How often, and how far apart, a turn is tried for.
const TURN: (u32, Duration) = (20, Duration::from_millis(50));

/// From a spool to one backend.
#[derive(Clone)]
pub struct Delivery {
    /// From here.
    pub spool: Spool,
    /// What is this backend's.
    pub key: Key,
    /// To here.
    pub queue: Arc<dyn Queue>,
}

/// What came of one round through the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Tasks that the queue has now.
    pub tasks: usize,
    /// Submissions, or members of one, that it refused for good.
    pub refused: usize,
    /// Why it ended.
    pub end: End,
}

/// Why a round ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nothing waits any more.
    Empty,
    /// What still waits finds no room.
    Full(Rejection),
    /// The queue cannot be reached, or not be used.
    Down(QueueError),
    /// As much as was asked for.
    Enough,
    /// Another process is delivering.
    Taken,
}

/// One round: holds the turn, and what it met.
struct Round<'a> {
    delivery: &'a Delivery,
    patience: Duration,
    after: i64,
    blocked: HashMap<(QueueName, Option<TaskType>), Rejection>,
    /// A call was refused for what is in it: row by row, to find out for which.
    alone: bool,
    done: Delivered,
    _turn: File,
}

impl Delivery {
    /// Delivers up to about so many tasks at once, without a rest: for a submitter that comes by.
    ///
    /// # Errors
    /// When the spool cannot be used.
    pub async fn some(&self, most: usize) -> Result<Delivered, Error> {
        self.round(None, most).await
    }

    /// Delivers all that can be, at a pace.
    ///
    /// # Errors
    /// When the spool cannot be used.
    pub async fn all(&self) -> Result<Delivered, Error> {
        self.round(Some(Pace::default()), usize::MAX).await
    }

    async fn round(&self, mut pace: Option<Pace>, most: usize) -> Result<Delivered, Error> {
        let mut done = Delivered { tasks: 0, refused: 0, end: End::Empty };
        if !self.spool.exists() {
            return Ok(done);
        }
        let Some(turn) = self.turn(pace.is_some()).await? else {
            done.end = End::Taken;
            return Ok(done);
        };
        let (patience, blocked) = (CALLS[usize::from(pace.is_some())], HashMap::new());
        let mut round =
            Round { delivery: self, patience, after: 0, blocked, alone: false, done, _turn: turn };
        loop {
            let room = most.saturating_sub(round.done.tasks);
            if room == 0 {
                round.done.end = End::Enough;
                break;
            }
            let at_once = if round.alone { 1 } else { pace.as_ref().map_or(room, Pace::most).min(room) };
            let Some(tasks) = round.call(at_once).await? else { break };
            if let Some(pace) = &mut pace {
                if round.alone {
                    pace.stumble();
                }
                tokio::time::sleep(pace.rest(tasks)).await;
            }
        }
        Ok(round.done)
    }

    /// One process at a time, so that the order and the pace are kept; it ends with the process.
    /// Who is patient waits for one that only looks.
    async fn turn(&self, patient: bool) -> Result<Option<File>, Error> {
        let lock = open_lock(&beside(self.spool.path(), ".deliver-lock")).map_err(|why| self.wrong(why))?;
        for _ in 0..if patient { TURN.0 } else { 1 } {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(lock)),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(TURN.1).await,
                Err(TryLockError::Error(e)) => return Err(self.wrong(DbError::Io(e.to_string()))),
            }
        }
        Ok(None)
    }

    fn wrong(&self, why: DbError) -> Error {
        Error { path: self.spool.path().to_owned(), why }
    }
}

// === impl Round ===

impl Round<'_> {
    /// One call, and what comes of it on file; answers how many tasks it had, none at the end of the round.
    async fn call(&mut self, most: usize) -> Result<Option<usize>, Error> {
        let Delivery { spool, key, queue } = self.delivery;
        let blocked = self.blocked.keys().cloned().collect();
        let rows = spool.batch(key, self.after, most, blocked).await?;
        let Some(last) = rows.last().map(|row| row.seq) else {
            self.done.end = self.blocked.values().next().map_or(End::Empty, |no| End::Full(no.clone()));
            return Ok(None);
        };
        let (rows, damaged): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.blocks.is_some());
        let mut verdicts: Vec<Verdict> =
            damaged.iter().map(|row| refuse(row, "it is damaged".into())).collect();
        self.done.refused += verdicts.len();
        let blocks: Vec<Block> = rows.iter().flat_map(|row| self.blocks(row)).collect();
        let tasks = blocks.iter().map(|block| block.payloads.len()).sum();
        if !blocks.is_empty() {
            let partial = rows.iter().all(|row| row.partial);
            let called = queue.submit(Submission { blocks: blocks.clone(), partial });
            let answered = tokio::time::timeout(self.patience, called).await;
            match answered.unwrap_or_else(|_| Err(slow(self.patience))) {
                Ok(answers) if answers.len() == blocks.len() => {
                    verdicts.extend(self.judge(&rows, &blocks, answers));
                }
                Ok(_) => {
                    let why = "it did not answer for each block".to_owned();
                    self.done.end = End::Down(QueueError::Unavailable(why));
                    return Ok(None);
                }
                Err(QueueError::Refused(_)) if rows.len() > 1 => {
                    self.alone = true;
                    return Ok(Some(0));
                }
                Err(QueueError::Refused(why)) => {
                    verdicts.extend(rows.iter().map(|row| refuse(row, why.clone())));
                    self.done.refused += 1;
                }
                Err(error) => {
                    self.done.end = End::Down(error);
                    return Ok(None);
                }
            }
        }
        // What was only taken apart is asked for again at once, before what is behind it.
        let again = verdicts.iter().filter(|verdict| self.is_open(verdict, &rows)).map(|verdict| verdict.seq);
        self.after = again.min().map_or(last, |seq| seq - 1);
        spool.conclude(verdicts).await?;
        Ok(Some(tasks))
    }

    /// A row's blocks as they are now: a delay counts from when it was kept.
    fn blocks(&self, row: &Row) -> Vec<Block> {
        let age = self.delivery.spool.age(row.kept_at);
        let due = |due| match due {
            Due::In(delay) if delay <= age => Due::Now,
            Due::In(delay) => Due::In(delay - age),
            due => due,
        };
        let blocks = row.blocks.iter().flatten().cloned();
        blocks.map(|block| Block { due: due(block.due), ..block }).collect()
    }

    /// Whether nothing that is known now keeps the row from being asked for again.
    fn is_open(&self, verdict: &Verdict, rows: &[Row]) -> bool {
        let row = rows.iter().find(|row| row.seq == verdict.seq);
        let first = row.and_then(|row| row.blocks.as_ref()?.first());
        matches!(verdict.fate, Fate::Waits { .. }) && first.is_some_and(|block| !self.is_blocked(block))
    }

    fn is_blocked(&self, block: &Block) -> bool {
        let of_type = (block.queue.clone(), Some(block.task_type.clone()));
        self.blocked.contains_key(&of_type) || self.blocked.contains_key(&(block.queue.clone(), None))
    }
}

fn slow(patience: Duration) -> QueueError {
    QueueError::Unavailable(format!("no answer within {} s", patience.as_secs()))
}
