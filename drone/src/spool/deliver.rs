//! Delivering: from the spool to its queue, oldest first, under the ids it was kept with, so that what had
//! arrived before all is answered as existing. What finds no room waits, and so does what is behind it in
//! its queue; what the queue refuses for good is kept, and stands in nobody's way.

use std::{collections::HashMap, fs::File, sync::Arc, time::Duration};

use skep_queue::{
    Block, BlockId, Due, Error as QueueError, Payloads, Queue, QueueName, Reason, Rejection, Submission,
    Submitted, TaskType,
};
use skep_sqlite::Error as DbError;

use super::{
    Error, Fate, Key, Pace, Row, Spool, Verdict,
    open::{beside, open_lock},
};

/// How long one call may take: what comes of it later is answered as existing.
const CALL: Duration = Duration::from_secs(10);

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
        let Some(turn) = self.turn()? else {
            done.end = End::Taken;
            return Ok(done);
        };
        let mut round =
            Round { delivery: self, after: 0, blocked: HashMap::new(), alone: false, done, _turn: turn };
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
    fn turn(&self) -> Result<Option<File>, Error> {
        let lock = open_lock(&beside(self.spool.path(), ".deliver-lock")).map_err(|why| self.wrong(why))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(e)) => Err(self.wrong(DbError::Io(e.to_string()))),
        }
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
        let mut rows = spool.batch(key, self.after, most, blocked).await?;
        if self.alone {
            rows.truncate(1);
        }
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
            let answered = tokio::time::timeout(CALL, called).await;
            match answered.unwrap_or_else(|_| Err(slow())) {
                Ok(answers) => verdicts.extend(self.judge(&rows, &blocks, answers)),
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

    fn judge(&mut self, rows: &[Row], blocks: &[Block], answers: Vec<Submitted>) -> Vec<Verdict> {
        let mut answers = blocks.iter().zip(answers);
        let mut verdicts = Vec::new();
        for row in rows {
            let own: Vec<_> = answers.by_ref().take(row.blocks.iter().flatten().count()).collect();
            // As they were kept, not as they were sent.
            let kept = row.blocks.iter().flatten().zip(own.into_iter().map(|(_, answer)| answer)).collect();
            verdicts.push(if row.partial { self.apart(row.seq, kept) } else { self.whole(row, kept) });
        }
        verdicts
    }

    /// A row that goes as a whole, or not at all.
    fn whole(&mut self, row: &Row, answers: Vec<(&Block, Submitted)>) -> Verdict {
        let tasks = |blocks: &mut dyn Iterator<Item = &Block>| {
            blocks.map(|block| block.payloads.len()).sum::<usize>()
        };
        for (block, answer) in &answers {
            match answer {
                Submitted::Conflict { holder } => {
                    self.done.refused += 1;
                    return refuse(row, conflict(holder));
                }
                // A conflict elsewhere is its cause, and says more.
                Submitted::Rejected(no)
                    if answers.iter().all(|(_, other)| !matches!(other, Submitted::Conflict { .. })) =>
                {
                    let counted = |other: &&Block| {
                        other.queue == block.queue
                            && (no.reason != Reason::TypeFull || other.task_type == block.task_type)
                    };
                    let at_once = tasks(&mut answers.iter().map(|(block, _)| *block).filter(|b| counted(&b)));
                    let never = matches!(no.reason, Reason::QueueFull | Reason::TypeFull)
                        && no.limit > 0
                        && at_once as u64 > no.limit;
                    if never || !no.reason.passes() {
                        self.done.refused += 1;
                        let why = if never {
                            format!("{no}: {at_once} tasks at once never fit")
                        } else {
                            no.to_string()
                        };
                        return refuse(row, why);
                    }
                    self.block(block, no);
                    return Verdict { seq: row.seq, fate: waits(None, no), refused: Vec::new() };
                }
                _ => {}
            }
        }
        self.done.tasks += tasks(&mut answers.iter().map(|(block, _)| *block));
        Verdict { seq: row.seq, fate: Fate::Gone, refused: Vec::new() }
    }

    /// A row whose blocks, and members, each go as they can.
    fn apart(&mut self, seq: i64, answers: Vec<(&Block, Submitted)>) -> Verdict {
        let (mut left, mut refused, mut why, mut changed) = (Vec::new(), Vec::new(), None, false);
        for (block, answer) in answers {
            let n = block.payloads.len();
            match answer {
                Submitted::Accepted | Submitted::Existing | Submitted::Skipped { .. } => {
                    self.done.tasks += n;
                    changed = true;
                }
                Submitted::Partly { accepted, rejection } => {
                    self.done.tasks += accepted;
                    left.extend(singles(block, accepted));
                    changed = true;
                    self.block(block, &rejection);
                    why = Some(rejection);
                }
                Submitted::Rejected(no) if no.reason.passes() => {
                    left.push(block.clone());
                    self.block(block, &no);
                    why = Some(no);
                }
                // One bad member spoils its block, but strangers must not suffer for it.
                Submitted::Rejected(no) if n > 1 => {
                    left.extend(singles(block, 0));
                    changed = true;
                    why.get_or_insert(no);
                }
                Submitted::Rejected(no) => refused.push((block.clone(), no.to_string())),
                Submitted::Conflict { holder } => refused.push((block.clone(), conflict(&holder))),
            }
        }
        self.done.refused += refused.len();
        let fate = match why {
            None => Fate::Gone,
            Some(no) => waits((changed || !refused.is_empty()).then_some(left), &no),
        };
        Verdict { seq, fate, refused }
    }

    /// What is behind it must wait, too.
    fn block(&mut self, block: &Block, no: &Rejection) {
        let of_type = matches!(no.reason, Reason::TypeFull | Reason::KeyFull | Reason::NoWorker);
        self.blocked.insert((block.queue.clone(), of_type.then(|| block.task_type.clone())), no.clone());
    }
}

/// The members of a block from `first` on, each in a block of its own, under the id it has had all along.
fn singles(block: &Block, first: usize) -> impl Iterator<Item = Block> {
    block.mask().iter().skip(first).map(move |ordinal| Block {
        id: BlockId(block.id.task(ordinal).0),
        payloads: Payloads::new(&[block.payloads.get(ordinal)]),
        ..block.clone()
    })
}

fn refuse(row: &Row, why: String) -> Verdict {
    Verdict { seq: row.seq, fate: Fate::Refused { why }, refused: Vec::new() }
}

fn waits(left: Option<Vec<Block>>, no: &Rejection) -> Fate {
    Fate::Waits { left, why: no.to_string() }
}

fn conflict(holder: &skep_queue::TaskId) -> String {
    format!("conflict: task {holder} has this id or unique key")
}

fn slow() -> QueueError {
    QueueError::Unavailable(format!("no answer within {} s", CALL.as_secs()))
}
