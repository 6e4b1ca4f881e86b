//! The local queue: the drone's own SQLite file, and the only state a drone has. It is a cache of leases plus
//! an outbox: deleting it at any moment may cost duplicates, never tasks.
//!
//! ```text
//! store        take            finish          ripe, settled
//!   └─ buffered ─── started ─────── outbox ──────── gone
//! ```
//!
//! Each arrow is a local transaction that carries many tasks. Order and counts are mirrored in memory
//! (`state.rs`) and rebuilt by one scan at start; what is only in memory has been told to nobody.

mod ballast;
mod codec;
mod file;
mod held;
mod recover;
mod select;
mod state;
mod straw;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use skep_queue::{ClaimId, Claimed, Clock, Incarnation, TaskId, TaskType};
use skep_sqlite::{Db, Error};
use tokio::sync::Notify;

pub(crate) use held::Parcel;
pub(crate) use recover::Leftover;

use crate::{
    fatal::Fatal,
    policy::Decision,
    spec::Specs,
    worker::{Stop, StopSignal, Task},
};
use ballast::Ballast;
use state::State;

/// How long to wait before a disk that was full is tried again.
const AGAIN: Duration = Duration::from_millis(250);

/// How the local file is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file; default `<drone name>.local.db` in the working folder.
    pub path: PathBuf,
    /// When a commit waits for the disk.
    pub durability: Durability,
    /// Buffered work older than this is handed back, so that no drone hoards what another could run.
    pub max_hold: Duration,
    /// Bytes kept aside for the day the disk is full; 0 for none.
    pub ballast: u64,
    /// Allow a network file system.
    pub allow_network: bool,
}

/// When a local commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// While the backend cannot be reached: then the outbox is the only copy of an outcome.
    #[default]
    Auto,
    /// Always.
    Full,
    /// Never: a power cut may cost duplicates.
    Normal,
}

/// Who had the file before.
pub(crate) struct Former {
    /// Its mark on what it started; none when the file is new.
    pub(crate) incarnation: Option<String>,
    /// What it was running.
    pub(crate) running: Vec<Leftover>,
}

/// A handle to the local queue; clones share it.
#[derive(Clone)]
pub(crate) struct Local {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    config: Config,
    specs: Arc<Specs>,
    clock: Arc<dyn Clock>,
    fatal: Fatal,
    ballast: Ballast,
    /// Owned by this module; never locked across an await.
    state: Mutex<State>,
    looks: Looks,
}

/// "Look again": none of these carries a task.
#[derive(Default)]
pub(crate) struct Looks {
    /// Work became available, or a hand that others wait for is free.
    pub(crate) work: Notify,
    /// There may be room to pump.
    pub(crate) room: Notify,
    /// Outcomes are on file, to be reported.
    pub(crate) outbox: Notify,
    /// Something in memory is to be written.
    unwritten: Notify,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            durability: Durability::Auto,
            max_hold: Duration::from_secs(60),
            ballast: 256 * 1024,
            allow_network: false,
        }
    }
}

// === impl Local ===

impl Local {
    /// Opens the file and takes its lock; sets a damaged one aside. Answers who had the file before, and what
    /// that incarnation was running when it died, for the policy to decide on.
    pub(crate) async fn open(
        config: Config,
        specs: Arc<Specs>,
        sources: &[String],
        incarnation: Incarnation,
        (clock, fatal): (Arc<dyn Clock>, Fatal),
    ) -> Result<(Self, Former), Error> {
        let (db, state, former) = match recover::open(&config, sources, &specs, incarnation, &*clock).await {
            // A statement that fails on a file that was just checked has met damage, too.
            Err(Error::Corrupt(why) | Error::Sql(why)) => {
                file::set_aside(&config, &why, &*clock)?;
                recover::open(&config, sources, &specs, incarnation, &*clock).await?
            }
            opened => opened?,
        };
        let (ballast, state) = (Ballast::new(&config), Mutex::new(state));
        let inner = Inner { db, config, specs, clock, fatal, ballast, state, looks: Looks::default() };
        Ok((Self { inner: Arc::new(inner) }, former))
    }

    /// Keeps claims: on file when it returns.
    pub(crate) async fn store(&self, source: usize, name: &str, claims: Vec<Claimed>) -> Result<(), Error> {
        let held = self.state().adopt(source, claims, self.inner.clock.elapsed());
        let rows = held.iter().map(|held| file::NewRow::of(held, name, &*self.inner.clock));
        let rows: Arc<[file::NewRow]> = rows.collect::<Result<_, _>>()?;
        self.patiently(move |db| {
            let rows = Arc::clone(&rows);
            async move { db.write(move |c| file::insert(c, &rows)).await }
        })
        .await?;
        self.state().insert(held);
        self.inner.looks.work.notify_waiters();
        Ok(())
    }

    /// Takes up to `hands` tasks of the given types for a worker. They are marked as started on file before
    /// it returns, so that a task that kills the drone is counted.
    pub(crate) async fn take(
        &self,
        types: &[TaskType],
        hands: usize,
        in_process: bool,
    ) -> Vec<(Task, StopSignal)> {
        let picks = self.state().take(types, hands, in_process);
        if picks.is_empty() {
            return Vec::new();
        }
        let (this, keys) = (self.clone(), picks.iter().map(|(key, _)| *key).collect::<Vec<_>>());
        let written = self.inner.db.write(move |connection| {
            // Read at the moment of writing: of two takes of one block, the later write must not undo the other.
            let rows = this.state().started(&keys);
            file::mark_started(connection, &rows)
        });
        if let Err(error) = written.await {
            self.state().put_back(&picks, in_process);
            self.trouble(&error).await;
            self.inner.looks.work.notify_waiters();
            return Vec::new();
        }
        self.state().hand_out(&picks, &self.inner.specs)
    }

    /// Takes the decision on a started task. Returns at once; the writer puts it on file.
    pub(crate) fn finish(&self, task: &Task, decision: Decision) {
        let wakes = self.state().finish(task, decision, &self.inner.specs, self.inner.clock.elapsed());
        self.inner.looks.unwritten.notify_one();
        if wakes.work {
            self.inner.looks.work.notify_waiters();
        }
        if wakes.room {
            self.inner.looks.room.notify_waiters();
        }
    }

    /// Writes what is only in memory, as it comes, until `stop` says that nothing more will.
    pub(crate) async fn run_writer(self, stop: tokio_util::sync::CancellationToken) {
        loop {
            let again = self.inner.looks.unwritten.notified();
            let flush = self.state().begin_flush();
            if flush.is_empty() {
                tokio::select! {
                    () = again => continue,
                    () = stop.cancelled() => return,
                }
            }
            let (rows, clock) = (Arc::new(flush), Arc::clone(&self.inner.clock));
            let written = self
                .patiently(|db| {
                    let (rows, clock) = (Arc::clone(&rows), Arc::clone(&clock));
                    async move { db.write(move |c| file::flush(c, &rows, &*clock)).await }
                })
                .await;
            if written.is_err() {
                return;
            }
            self.state().flushed(Arc::unwrap_or_clone(rows));
            self.inner.looks.outbox.notify_waiters();
            self.inner.looks.work.notify_waiters();
        }
    }

    /// Outcomes to report to a source now, of about `most` blocks: of those whose members are all done, and of
    /// those that have waited `split_after` for a slow one. None comes again before it was answered, by
    /// [`Local::settled`].
    pub(crate) fn ripe(&self, source: usize, most: usize, split_after: Duration) -> Vec<Parcel> {
        self.state().ripe(source, most, self.inner.clock.elapsed(), split_after)
    }

    /// Forgets what was reported; keeps what was refused, or what never arrived (`None`), for later.
    pub(crate) fn settled(&self, answers: &[(Parcel, Option<skep_queue::Settled>)], later: Duration) {
        let until = self.inner.clock.elapsed() + later;
        self.state().settled(answers, until);
        self.inner.looks.unwritten.notify_one();
        self.inner.looks.room.notify_waiters();
    }

    /// What it is asked of, and how it looks again.
    pub(crate) fn looks(&self) -> &Looks {
        &self.inner.looks
    }

    /// The in-memory mirror; the guard is never held across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops or gives up tasks that somebody cancelled; ids that are not here are ignored.
    pub(crate) fn cancel(&self, ids: &[TaskId]) {
        self.state().cancel(ids);
        self.inner.looks.unwritten.notify_one();
    }

    /// Hands back what has not started and has been here for `age`.
    pub(crate) fn hand_back(&self, age: Duration) {
        let now = self.inner.clock.elapsed();
        if self.state().hand_back(now, age) {
            self.inner.looks.unwritten.notify_one();
            self.inner.looks.room.notify_waiters();
        }
    }

    /// Gives up claims that are another drone's now; says how many tasks were not yet done here.
    pub(crate) fn lose(&self, claims: &[ClaimId]) -> usize {
        let lost = self.state().lose(claims, &self.inner.specs);
        self.inner.looks.unwritten.notify_one();
        self.inner.looks.room.notify_waiters();
        lost
    }

    /// Drops what a recovered claim no longer holds; says how many tasks that was.
    pub(crate) fn keep_only(&self, source: usize, claim: ClaimId, left: &[Claimed]) -> usize {
        let dropped = self.state().keep_only(source, claim, left);
        self.inner.looks.unwritten.notify_one();
        self.inner.looks.room.notify_waiters();
        dropped
    }

    /// Stops everything that runs, for one reason.
    pub(crate) fn stop_all(&self, why: Stop) {
        self.state().signals(|_| true).iter().for_each(|signal| signal.stop(why));
    }

    /// Whether outcomes must survive a power cut here, since the backend cannot take them now.
    pub(crate) fn backend_up(&self, up: bool) {
        match self.inner.config.durability {
            Durability::Auto => self.inner.db.set_durable(!up),
            Durability::Full => self.inner.db.set_durable(true),
            Durability::Normal => self.inner.db.set_durable(false),
        }
    }

    /// Whether the disk has room for more work. Restores the ballast when it has.
    pub(crate) fn roomy(&self) -> bool {
        self.inner.ballast.roomy()
    }

    /// Buffered work older than this is handed back.
    pub(crate) fn max_hold(&self) -> Duration {
        self.inner.config.max_hold
    }

    /// Closes the file; returns when another drone could open it.
    pub(crate) async fn close(self) {
        let db = self.inner.db.clone();
        drop(self);
        db.close().await;
    }

    /// Tries until the disk takes it, or it is clear that it never will.
    async fn patiently<F, R>(&self, mut write: F) -> Result<(), Error>
    where
        F: FnMut(Db) -> R,
        R: Future<Output = Result<(), Error>>,
    {
        loop {
            let Err(error) = write(self.inner.db.clone()).await else { return Ok(()) };
            if !self.trouble(&error).await {
                return Err(error);
            }
        }
    }

    /// A write failed. Says whether another try makes sense, and waits before it: what cannot be written now
    /// is kept in memory, and the ballast is there for exactly this moment. Anything but a disk that is full
    /// or fails for a while means that the file is damaged: the drone ends, and its next start sets it aside.
    async fn trouble(&self, error: &Error) -> bool {
        let path = self.inner.config.path.display();
        if !matches!(error, Error::Full(_) | Error::Io(_) | Error::Busy(_)) {
            self.inner.fatal.stop(format!("{path}: the local queue cannot be written any more: {error}"));
            return false;
        }
        tracing::error!(%error, %path, "the local queue cannot be written; trying again");
        if matches!(error, Error::Full(_)) {
            self.inner.ballast.release();
        }
        tokio::time::sleep(AGAIN).await;
        true
    }
}
