//! The rows, and the questions that every rule asks of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use super::Bug;
use crate::{
    Block, BlockId, Cause, ClaimId, DroneFacts, Incarnation, Options, Priority, QueueName, TaskId, TaskType,
    Timestamp,
    admin::{Event, Intake, State},
    block::DEFAULT_MAX_PAYLOAD,
    outcome,
};

/// Where a task is: its block and its ordinal.
pub(super) type Key = (BlockId, u8);

#[derive(Clone)]
pub(super) struct Task {
    pub queue: QueueName,
    pub task_type: TaskType,
    pub priority: Priority,
    pub options: Arc<Options>,
    pub payload: Bytes,
    /// Members of the block that were accepted with it.
    pub size: usize,
    /// Which submitted block it was, counted from the first.
    pub submitted: u64,
    pub created_at: Timestamp,

    pub state: State,
    /// Available since its moment came, not since somebody said so.
    pub ripe: bool,
    pub run_at: Timestamp,
    /// Under which it was handed out last, as long as that claim may settle it.
    pub claim: Option<ClaimId>,
    /// The last settle that was accepted.
    pub settled: Option<(ClaimId, u8)>,
    /// Somebody wants it cancelled, and its drone must be told.
    pub cancel: bool,
    /// When it was claimed last.
    pub claimed_at: Timestamp,
    pub fence: u32,
    pub attempts: u16,
    pub losses: u16,
    pub interruptions: u16,
    pub suspect: u8,

    pub worker: Option<String>,
    pub result: Option<Bytes>,
    pub history: Vec<Event>,
    pub finished_at: Option<Timestamp>,
}

#[derive(Clone)]
pub(super) struct QueueRow {
    pub capacity: Option<u64>,
    pub paused: bool,
    pub intake: Intake,
    pub retention: Duration,
    pub max_payload: usize,
    pub promote_after: Option<Duration>,
    pub types: BTreeMap<TaskType, TypeRow>,
}

#[derive(Clone, Default)]
pub(super) struct TypeRow {
    pub capacity: Option<u64>,
    pub paused: bool,
}

#[derive(Clone)]
pub(super) struct DroneRow {
    pub queue: QueueName,
    pub number: u64,
    pub ttl: Duration,
    pub beat_at: Timestamp,
    pub facts: DroneFacts,
    pub drain: bool,
}

#[derive(Clone, Default)]
pub(super) struct Store {
    pub tasks: BTreeMap<Key, Task>,
    pub queues: BTreeMap<QueueName, QueueRow>,
    /// Whose each claim is. The model forgets none.
    pub claims: BTreeMap<ClaimId, Incarnation>,
    pub drones: BTreeMap<Incarnation, DroneRow>,
    pub submitted: u64,
    /// What `submitted` was when this step began.
    pub begun: u64,
    /// Beats of all drones together: a drone that was forgotten and comes back must not look silent.
    pub beats: u64,
    pub now: Timestamp,
    pub prefer: BTreeSet<TaskId>,
    pub told: BTreeSet<Key>,
    pub bug: Option<Bug>,
}

impl Default for QueueRow {
    fn default() -> Self {
        Self {
            capacity: None,
            paused: false,
            intake: Intake::Open,
            retention: Duration::from_secs(24 * 3600),
            max_payload: DEFAULT_MAX_PAYLOAD,
            promote_after: None,
            types: BTreeMap::new(),
        }
    }
}

impl Task {
    pub(super) fn record(&mut self, at: Timestamp, cause: Cause, error: &str, worker: Option<String>) {
        let (attempts, error) = (self.attempts, error.to_owned());
        self.history.push(Event { at, cause, attempts, worker, error });
    }

    /// Where a pump hands it out at `now`: lower is sooner.
    pub(super) fn rank(&self, every: Option<Duration>, now: Timestamp) -> (Priority, Timestamp, u64) {
        (self.priority.after(now.since(self.run_at), every), self.run_at, self.submitted)
    }
}

impl Store {
    /// Every step begins here: what is due becomes available.
    pub(super) fn begin(&mut self, now: Timestamp) {
        self.now = now;
        self.submitted += 1;
        self.begun = self.submitted;
        for task in self.tasks.values_mut() {
            if task.state == State::Scheduled && task.run_at <= now {
                (task.state, task.ripe) = (State::Available, true);
            }
        }
    }

    /// Does a step whole, or not at all.
    pub(super) fn step<T, E>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let before = self.clone();
        step(self).inspect_err(|_| *self = before)
    }

    pub(super) fn has_bug(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(super) fn place(&self, id: TaskId) -> Option<Key> {
        id.places().into_iter().flatten().find(|key| self.tasks.contains_key(key))
    }

    /// Tasks of a queue, or of one type of it, that are not terminal.
    pub(super) fn depth(&self, queue: &QueueName, task_type: Option<&TaskType>) -> u64 {
        let counts = |task: &&Task| {
            task.queue == *queue
                && task_type.is_none_or(|t| task.task_type == *t)
                && !task.state.is_terminal()
        };
        self.tasks.values().filter(counts).count() as u64
    }

    pub(super) fn claimed_under(&self, claim: ClaimId) -> Vec<Key> {
        let under = |task: &Task| task.state == State::Claimed && task.claim == Some(claim);
        self.tasks.iter().filter(|(_, task)| under(task)).map(|(key, _)| *key).collect()
    }

    /// The claims of a drone under which something is claimed.
    pub(super) fn claims_of(&self, drone: Incarnation) -> Vec<ClaimId> {
        let its = self.claims.iter().filter(|(_, owner)| **owner == drone).map(|(claim, _)| *claim);
        its.filter(|claim| !self.claimed_under(*claim).is_empty()).collect()
    }

    /// The name of the drone that has a claim.
    pub(super) fn worker(&self, claim: ClaimId) -> Option<String> {
        let drone = self.drones.get(self.claims.get(&claim)?)?;
        Some(drone.facts.name.clone()).filter(|name| !name.is_empty())
    }

    pub(super) fn is_paused(&self, queue: &QueueName, task_type: &TaskType) -> bool {
        let Some(row) = self.queues.get(queue) else { return false };
        row.paused || row.types.get(task_type).is_some_and(|row| row.paused)
    }

    /// Gives a task up to whoever comes, at `run_at`.
    pub(super) fn wait(&mut self, key: Key, run_at: Timestamp, state: State) {
        let task = self.tasks.get_mut(&key).expect("the caller looked");
        (task.run_at, task.state, task.claim, task.worker) = (run_at, state, None, None);
        task.ripe = false;
    }

    /// Ends a task, and answers the postback that goes with it.
    pub(super) fn leave(&mut self, key: Key, ended: State, worker: Option<String>) -> Option<Block> {
        let no_postback = self.has_bug(Bug::NoPostback);
        let task = self.tasks.get_mut(&key).expect("the caller looked");
        (task.state, task.claim, task.cancel) = (ended, None, false);
        (task.finished_at, task.worker) = (Some(self.now), worker);
        let error = task.history.last().map(|event| event.error.as_str());
        let error = error.filter(|_| ended != State::Completed);
        let postback = task.options.postback.as_ref().filter(|_| !no_postback).map(|to| {
            let from = (&task.queue, &task.task_type);
            outcome::postback(key.0.task(key.1), from, to, ended, task.result.as_deref(), error)
        });
        if self.queues[&task.queue].retention.is_zero() {
            self.tasks.remove(&key);
        }
        postback
    }

    /// Forgets terminal tasks whose time is over.
    pub(super) fn sweep(&mut self) {
        let (queues, now) = (&self.queues, self.now);
        self.tasks.retain(|_, task| {
            task.finished_at.is_none_or(|ended| ended + queues[&task.queue].retention > now)
        });
    }

    /// The latest moment that made a waiting task available.
    pub(super) fn ripened(&self) -> Option<Timestamp> {
        let ripe = self.tasks.values().filter(|task| task.ripe && task.state == State::Available);
        ripe.map(|task| task.run_at).max()
    }
}
