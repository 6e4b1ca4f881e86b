//! Workers: what runs tasks. A [`Worker`] has hands; the dispatcher gives it no more [`Run`]s than it has
//! free ones, and each run ends with exactly one [`Verdict`].

pub mod exec;
pub mod handler;
mod headway;
mod inlet;
mod ladder;
pub mod launch;
pub mod leftovers;
mod output;
pub mod process;
pub mod wire;

pub use exec::ExecWorker;
pub use headway::Headway;
pub use launch::{Deps, Launch, Limits, check_program};
pub use process::ProcessWorker;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use skep_queue::{Block, Cause, ClaimId, Content, Failure, QueueName, TaskId, TaskType, Timestamp};
use tokio::sync::Notify;

/// Runs tasks of some types.
#[async_trait]
pub trait Worker: Send + Sync + 'static {
    /// How many tasks it can run at once, when all is well.
    fn hands(&self) -> usize;

    /// Returns once a hand is free, with the number of free hands (at least 1). Safe to drop.
    async fn ready(&self) -> usize;

    /// Starts runs, at most as many as were ready. Returns at once; never blocks on the task.
    fn start(&self, runs: Vec<Run>);

    /// Whether a task can bring the drone's own process down.
    fn in_process(&self) -> bool;

    /// Why it cannot start its hands, in words, while that lasts.
    fn degraded(&self) -> Option<String>;

    /// Ends what the worker keeps alive between tasks, and returns when it is gone. Called once nothing
    /// runs any more.
    async fn stop(&self);
}

/// One task, as a worker sees it.
#[derive(Debug, Clone)]
pub struct Task {
    /// Constant through retries.
    pub id: TaskId,
    /// The queue it came from.
    pub queue: QueueName,
    /// What routed it here.
    pub task_type: TaskType,
    /// What to work on.
    pub payload: Bytes,
    /// What the payload is.
    pub content: Content,
    /// Which attempt this is, from 1.
    pub attempt: u16,
    /// How many attempts it has.
    pub of: u16,
    /// Rises with every claim: hand it to downstream systems that can refuse an older one.
    pub fence: u32,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// What the submitter passed along.
    pub meta: BTreeMap<String, String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Where the drone keeps it: nothing for a worker to see.
    pub slot: Slot,
}

/// Where the drone keeps a task, and what the policy needs to know of its past.
#[derive(Debug, Clone, Default)]
pub struct Slot {
    /// Which of the drone's queues it came from.
    pub(crate) source: usize,
    /// The held row.
    pub(crate) held: u64,
    /// Its place in that row.
    pub(crate) place: u8,
    /// The claim it was handed out under.
    pub(crate) claim: Option<ClaimId>,
    /// See [`skep_queue::Claimed::suspect`].
    pub(crate) suspect: u8,
    /// Which link of its chain this is, from 0.
    pub(crate) link: u32,
    /// What enters the queue when the chain ends.
    pub(crate) carry: Arc<[Block]>,
}

/// What a worker says of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is done.
    Done {
        /// JSON text for the submitter.
        result: Option<Bytes>,
        /// Tasks that follow from it, in the same transaction.
        submit: Vec<FollowUp>,
    },
    /// It failed.
    Failed {
        /// What went wrong.
        failure: Failure,
        /// Whether to try again.
        retry: Retry,
    },
    /// Not now; no failure.
    Snooze(Duration),
    /// It was stopped, for the reason in the run's [`StopSignal`].
    Stopped,
    /// It never began: the worker could not take it.
    NotStarted,
}

/// Whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// As the task type's policy says.
    Policy,
    /// Never.
    Never,
    /// After this delay, if attempts are left.
    After(Duration),
}

/// A task that follows from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// What routes it.
    pub task_type: TaskType,
    /// JSON text.
    pub payload: Bytes,
    /// Run it on this drone, as the next link of a chain that is settled once, at its end.
    pub local: bool,
}

/// Why a run is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Somebody cancelled the task.
    Cancelled,
    /// The drone drains, and the grace is over.
    Drained,
    /// The claim is another drone's.
    LeaseLost,
}

/// Asks a run to stop; the first reason stays.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<Asked>);

/// Less than a cancellation token, of which there would be one a task.
#[derive(Debug, Default)]
struct Asked {
    why: OnceLock<Stop>,
    told: Notify,
}

/// A task in a worker's hands. Finish it; one that is dropped counts as failed.
pub struct Run {
    task: Arc<Task>,
    ended: bool,
    stop: StopSignal,
    sink: Arc<dyn Sink>,
}

/// Where verdicts go. Never blocks.
pub trait Sink: Send + Sync + 'static {
    /// Takes the verdict on a task that was started.
    fn finish(&self, task: &Task, stop: Option<Stop>, verdict: Verdict);

    /// Hears how a task gets on. Whoever does not care need not listen.
    fn heard(&self, task: &Task, headway: Headway) {
        let _ = (task, headway);
    }
}

// === impl Task ===

impl Task {
    /// A first attempt of 25 at a task of queue `default`, with no timeout: what tests of a worker start from.
    #[must_use]
    pub fn new(id: TaskId, task_type: TaskType, payload: Bytes) -> Self {
        Self {
            id,
            queue: QueueName::default(),
            task_type,
            payload,
            content: Content::Json,
            attempt: 1,
            of: skep_queue::block::DEFAULT_MAX_ATTEMPTS,
            fence: 1,
            timeout: None,
            meta: BTreeMap::new(),
            created_at: Timestamp::default(),
            slot: Slot::default(),
        }
    }
}

// === impl StopSignal ===

impl StopSignal {
    /// Asks to stop.
    pub fn stop(&self, why: Stop) {
        let _ = self.0.why.set(why);
        self.0.told.notify_waiters();
    }

    /// Why it was asked, if it was.
    #[must_use]
    pub fn why(&self) -> Option<Stop> {
        self.0.why.get().copied()
    }

    /// Returns when asked to stop. Safe to drop.
    pub async fn stopped(&self) -> Stop {
        loop {
            // The order matters: who is asked after the look is told.
            let told = self.0.told.notified();
            if let Some(why) = self.why() {
                return why;
            }
            told.await;
        }
    }
}

// === impl Run ===

impl Run {
    /// A run whose verdict goes to `sink`.
    pub fn new(task: Task, stop: StopSignal, sink: Arc<dyn Sink>) -> Self {
        Self { task: Arc::new(task), ended: false, stop, sink }
    }

    /// What to do.
    #[must_use]
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The same, to keep.
    pub(crate) fn share(&self) -> Arc<Task> {
        Arc::clone(&self.task)
    }

    /// How the run is asked to stop.
    #[must_use]
    pub fn stop(&self) -> &StopSignal {
        &self.stop
    }

    /// Tells how it gets on.
    pub fn tell(&self, headway: Headway) {
        self.sink.heard(&self.task, headway);
    }

    /// Where it is told.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.sink)
    }

    /// Ends the run.
    pub fn finish(mut self, verdict: Verdict) {
        self.end(verdict);
    }

    fn end(&mut self, verdict: Verdict) {
        if !std::mem::replace(&mut self.ended, true) {
            self.sink.finish(&self.task, self.stop.why(), verdict);
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.end(Verdict::failed(Cause::Failed, "the worker dropped the task without a verdict"));
    }
}

// === impl Verdict ===

impl Verdict {
    /// Failed, to be tried again as the policy says.
    pub fn failed(cause: Cause, error: impl AsRef<str>) -> Self {
        Self::Failed { failure: Failure::new(cause, error), retry: Retry::Policy }
    }

    /// Failed for good.
    pub fn hopeless(cause: Cause, error: impl AsRef<str>) -> Self {
        Self::Failed { failure: Failure::new(cause, error), retry: Retry::Never }
    }

    /// Done, with nothing to tell.
    #[must_use]
    pub const fn done() -> Self {
        Self::Done { result: None, submit: Vec::new() }
    }
}
