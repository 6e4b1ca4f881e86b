//! `SqliteQueue`: the contract of a queue, on a file. Each call is one closure in a [`Db`]'s transaction;
//! what it does is in the modules beside this one.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use rusqlite::Connection;
use skep_queue::{
    Admin, Beat, Claimed, Clock, Incarnation, Orders, Pump, Queue, QueueName, Random, Result, Settled,
    Settlement, Submission, Submitted, TaskId, TaskType, Watch,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, TaskDetail, TaskView},
};

use crate::{
    beat,
    bell::Bell,
    db::{Config, Db, Sharing},
    error::Error,
    mutant::mutant,
    pump, row, settle, submit, sweep,
    turn::Turn,
};

/// A caller that waits looks again after about so long, whatever it heard.
const POLL: Duration = Duration::from_secs(1);
/// The same for who waits for orders, where bells are heard.
const QUIET: Duration = Duration::from_secs(30);
/// Most sweeps in one beat; what is left waits for the next.
const SWEEPS: usize = 16;

const WORK: &str = "select l.queue from lanes l join queues q on q.name = l.queue \
     where l.task_type = ?1 and not l.paused and not q.paused \
     and exists (select 1 from parts where state = 0 and lane = l.id)";
const NEXT_DUE: &str = "select min(run_at) from parts where state = 1";

/// How a queue is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether to open a file on a network file system, where SQLite's locks do not hold.
    pub allow_network: bool,
}

/// The embedded queue: one SQLite file, which several processes may use.
pub struct SqliteQueue {
    db: Db,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// What this process has seen of the drones: another watches for itself.
    watch: Arc<Mutex<Watch>>,
    bell: Bell,
    /// Queues that were pumped through this handle: what waits in others is nobody's here.
    pumped: Mutex<Vec<QueueName>>,
}

impl SqliteQueue {
    /// Opens the file, or makes it; its folder must exist.
    ///
    /// # Errors
    /// Whatever is wrong with the place or the file, each with a message that says what to do.
    pub fn open(
        path: impl Into<PathBuf>,
        options: Options,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, Error> {
        let db = Db::open(Config {
            path: path.into(),
            sharing: Sharing::Shared,
            durable: true,
            application: skep_migrations::SQLITE_APPLICATION,
            migrations: skep_migrations::SQLITE,
            allow_network: options.allow_network,
            check: false,
        })?;
        let (watch, bell, pumped) = (Arc::default(), Bell::default(), Mutex::default());
        Ok(Self { db, clock, random, watch, bell, pumped })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        self.db.path()
    }

    /// Returns when the file is closed.
    pub async fn close(self) {
        self.db.close().await;
    }

    /// Does a call's work in a transaction, which rings once it is durable if there is something to tell.
    async fn turn<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Turn<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T> {
        self.db.write(self.call(work)).await.map_err(|error| self.failed(error))
    }

    /// The same without waiting for the disk: for claims and beats, and for what nobody was told of. A claim that a
    /// power cut undoes was this machine's own, whose drone died with it and hears of it at its first beat; an
    /// outcome never is undone.
    async fn lazy_turn<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Turn<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T> {
        self.db.write_lazily(self.call(work)).await.map_err(|error| self.failed(error))
    }

    fn call<T>(
        &self,
        mut work: impl FnMut(&mut Turn<'_>) -> Result<T, Error> + Send + 'static,
    ) -> impl FnMut(&Connection) -> Result<T, Error> + Send + 'static {
        let (clock, rope) = (Arc::clone(&self.clock), self.db.lock().rope());
        move |db| {
            let mut turn = Turn::new(db, clock.now());
            let answer = work(&mut turn)?;
            turn.finish()?;
            if mutant!(AnswerWithoutCommit) {
                row::run(db, "rollback", [])?;
                row::run(db, "begin immediate", [])?;
            }
            if turn.ring {
                rope.pull();
            }
            Ok(answer)
        }
    }

    /// Looks, beside the writer.
    async fn look<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Turn<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T> {
        let clock = Arc::clone(&self.clock);
        let done = self.db.read(move |db| work(&mut Turn::new(db, clock.now())));
        done.await.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: Error) -> skep_queue::Error {
        let error = skep_queue::Error::from(error);
        if matches!(error, skep_queue::Error::Unavailable(_)) {
            self.watch.lock().unwrap_or_else(PoisonError::into_inner).outage();
        }
        error
    }

    /// How long until a pump of these types may find something; as far as can be told without a bell.
    async fn nothing_for(&self, types: &[TaskType]) -> Option<Duration> {
        let poll = POLL.mul_f64(self.random.fraction().mul_add(0.4, 0.8));
        if types.is_empty() {
            // Whoever waits for orders hears the bell; it need not be told that nothing came.
            return Some(if self.bell.works() { QUIET } else { poll });
        }
        let pumped = self.pumped.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let types = types.to_vec();
        let found = self.look(move |turn| {
            for task_type in &types {
                let queues = row::all(turn.db, WORK, [task_type.as_str()], |row| row::name(row, 0))?;
                if queues.iter().any(|queue: &QueueName| pumped.is_empty() || pumped.contains(queue)) {
                    return Ok(Some(turn.now));
                }
            }
            let due = row::first(turn.db, NEXT_DUE, [], |row| Ok(row.get::<_, Option<i64>>(0)?))?;
            Ok(due.flatten().map(skep_queue::Timestamp::from_micros))
        });
        let Ok(due) = found.await else { return Some(poll) };
        let wait = due.map_or(poll, |due| due.since(self.clock.now()).min(poll));
        (!wait.is_zero()).then_some(wait)
    }
}

/// The work of a submit, as far as it is done in a transaction.
fn submitting(submission: Submission) -> impl FnMut(&mut Turn<'_>) -> Result<Vec<Submitted>, Error> + Send {
    let formed: Vec<bool> = submission.blocks.iter().map(submit::well_formed).collect();
    move |turn| submit::submit(turn, &submission, &formed)
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        self.turn(submitting(submission)).await
    }

    async fn submit_lazily(&self, submission: Submission) -> Result<Vec<Submitted>> {
        self.lazy_turn(submitting(submission)).await
    }

    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        {
            let mut pumped = self.pumped.lock().unwrap_or_else(PoisonError::into_inner);
            if !pumped.contains(&pump.queue) {
                pumped.push(pump.queue.clone());
            }
        }
        self.lazy_turn(move |turn| pump::pump(turn, &pump)).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.turn(move |turn| settlements.iter().map(|s| settle::settle(turn, s)).collect()).await
    }

    async fn beat(&self, beat: Beat) -> Result<Orders> {
        let (watch, clock) = (Arc::clone(&self.watch), Arc::clone(&self.clock));
        let (orders, mut more) = self
            .lazy_turn(move |turn| {
                let more = sweep::sweep(turn)?;
                let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
                Ok((beat::beat(turn, &beat, &mut watch, clock.elapsed())?, more))
            })
            .await?;
        for _ in 1..SWEEPS {
            if !more {
                break;
            }
            more = self.lazy_turn(|turn| sweep::sweep(turn)).await?;
        }
        Ok(orders)
    }

    fn in_turn(&self) -> bool {
        true
    }

    async fn arrival(&self, types: &[TaskType]) {
        // The order matters: what comes after the look rings a bell that is listened to already.
        let since = self.bell.listen(self.db.lock().path());
        let looked = tokio::time::timeout(POLL, self.nothing_for(types)).await;
        if let Ok(Some(wait)) = looked {
            let _ = tokio::time::timeout(wait, self.bell.wait(since)).await;
        }
    }
}

#[async_trait]
impl Admin for SqliteQueue {
    async fn queues(&self) -> Result<Vec<QueueView>> {
        self.look(|turn| turn.queues()).await
    }

    async fn find(&self, filter: Filter) -> Result<Vec<TaskView>> {
        self.look(move |turn| turn.list(&filter)).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<TaskDetail>> {
        self.look(move |turn| turn.detail(id)).await
    }

    async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>> {
        self.turn(move |turn| {
            turn.promote()?;
            ids.iter().map(|id| turn.act(act, *id)).collect()
        })
        .await
    }

    async fn set(&self, queue: QueueName, task_type: Option<TaskType>, setting: Setting) -> Result<()> {
        self.turn(move |turn| turn.set(&queue, task_type.as_ref(), setting)).await
    }

    async fn drones(&self) -> Result<Vec<DroneView>> {
        self.look(|turn| turn.drones()).await
    }

    async fn drain(&self, drone: Incarnation) -> Result<bool> {
        self.turn(move |turn| turn.drain(drone)).await
    }

    async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        self.turn(move |turn| beat::take_for_gone(turn, drone)).await
    }
}

#[cfg(test)]
mod tests {
    use skep_queue::clock::{SystemClock, SystemRandom};

    use super::*;

    #[tokio::test]
    async fn a_commit_waits_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let queue =
            SqliteQueue::open(path, Options::default(), Arc::new(SystemClock), Arc::new(SystemRandom));
        let pragma = |name: &'static str| {
            move |db: &Connection| {
                Ok(db.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))?)
            }
        };
        let db = queue.unwrap().db;
        let full = rusqlite::types::Value::Integer(2);
        assert_eq!(
            db.write(pragma("synchronous")).await.unwrap(),
            full,
            "a promise is kept through a power cut"
        );
        let wal = rusqlite::types::Value::Text("wal".to_owned());
        assert_eq!(db.write(pragma("journal_mode")).await.unwrap(), wal);
        assert!(
            db.read(|db| Ok(db.execute_batch("delete from parts")?)).await.is_err(),
            "a reader writes nothing"
        );
    }
}
