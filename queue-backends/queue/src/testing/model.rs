//! The reference model: a queue in memory, one row a task, every rule written out once. It decides what
//! the contract means where a sentence leaves room. It is slow on purpose: no index, no block, and a step
//! that fails is undone by putting a copy back.

mod beat;
mod operate;
mod pump;
mod settle;
mod store;
mod submit;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Notify;

use self::store::Store;
use crate::{
    Admin, Beat, ClaimId, Claimed, Clock, Incarnation, Orders, Progress, Pump, Queue, QueueName, Result,
    Settled, Settlement, Submission, Submitted, TaskId, TaskType, Timestamp, Watch,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, TaskDetail, TaskView},
};

/// The reference model of a backend.
pub struct Model {
    store: Arc<Mutex<Store>>,
    arrived: Arc<Notify>,
    clock: Arc<dyn Clock>,
    /// What was told of running tasks, call by call, through any handle.
    told: Arc<Mutex<Vec<Vec<Progress>>>>,
    /// Of this handle: another process watches for itself.
    watch: Mutex<Watch>,
}

/// A deliberate mistake, to see whether a clause notices.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A pump hands out claimed tasks.
    NoClaimGuard,
    /// A settle needs no claim.
    SettleById,
    /// A claim does not raise the fence.
    FenceKept,
    /// A unique key is free once its task was tried.
    KeyFreedAtRetry,
    /// A rescue trusts the wall clock.
    NoOutageRule,
    /// A pump hands out one more than there is room.
    RoomOffByOne,
    /// A queue takes one more than its capacity.
    CapacityOffByOne,
    /// A call that fails keeps what came before.
    HalfCall,
    /// A cancel is told once.
    CancelOnce,
    /// No postback.
    NoPostback,
    /// A release counts an attempt.
    ReleaseCounts,
    /// A pump that is repeated claims more.
    PumpAgainClaims,
    /// A rescue takes the claim from the task at once.
    LateLoses,
    /// A pump hands out what is not due.
    NotDue,
    /// The beats of a drone that was forgotten are counted from one again.
    BeatsFromOne,
    /// A pump promotes nobody.
    NeverPromoted,
    /// A promoted task goes before those of its new priority that were due earlier.
    PromotedFirst,
    /// An operator's rescue gives back what it should count as lost.
    RescueReleases,
}

impl Model {
    /// An empty queue.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (store, arrived, told) = (Arc::default(), Arc::default(), Arc::default());
        Self { store, arrived, clock, told, watch: Mutex::default() }
    }

    /// An empty queue with a mistake in it.
    #[doc(hidden)]
    pub fn with_bug(clock: Arc<dyn Clock>, bug: Bug) -> Self {
        let model = Self::new(clock);
        model.locked(|store| store.bug = Some(bug));
        model
    }

    /// Another handle on the same queue, as another process would have it.
    #[must_use]
    pub fn again(&self) -> Self {
        let (store, arrived) = (Arc::clone(&self.store), Arc::clone(&self.arrived));
        let (clock, told) = (Arc::clone(&self.clock), Arc::clone(&self.told));
        Self { store, arrived, clock, told, watch: Mutex::default() }
    }

    /// The progress that arrived here, call by call: no queue need remember it, but a test may ask.
    #[must_use]
    pub fn told(&self) -> Vec<Vec<Progress>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where the contract leaves the choice among the members of one block that are due at the same
    /// moment, pumps choose these: how a test follows another backend's choice.
    pub fn prefer(&self, tasks: impl IntoIterator<Item = TaskId>) {
        let tasks: BTreeSet<TaskId> = tasks.into_iter().collect();
        self.locked(|store| store.prefer = tasks);
    }

    /// The latest moment that made a task available that still waits. Whether a wall clock that steps back
    /// behind it makes the task wait again is left open.
    #[must_use]
    pub fn ripened(&self) -> Option<Timestamp> {
        self.locked(|store| store.ripened())
    }

    /// Whether something is claimed under a claim.
    #[must_use]
    pub fn is_current(&self, claim: ClaimId) -> bool {
        self.locked(|store| !store.claimed_under(claim).is_empty())
    }

    fn locked<T>(&self, step: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.begin(self.clock.now());
        step(&mut store)
    }
}

#[async_trait]
impl Queue for Model {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        let answers = self.locked(|store| store.submit(&submission));
        self.arrived.notify_waiters();
        Ok(answers)
    }

    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        Ok(self.locked(|store| store.pump(&pump)))
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        let answers = self.locked(|store| settlements.iter().map(|s| store.settle(s)).collect());
        self.arrived.notify_waiters();
        Ok(answers)
    }

    async fn beat(&self, beat: Beat) -> Result<Orders> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = self.locked(|store| store.beat(&beat, &mut watch, self.clock.elapsed()));
        self.arrived.notify_waiters();
        Ok(orders)
    }

    async fn arrival(&self, types: &[TaskType]) {
        let arrived = self.arrived.notified();
        if !self.locked(|store| store.finds(types)) {
            // Nobody tells when a task becomes due: a bounded wait covers that.
            let _ = tokio::time::timeout(Duration::from_millis(50), arrived).await;
        }
    }

    async fn progress(&self, notes: Vec<Progress>) -> Result<()> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(notes);
        Ok(())
    }
}

#[async_trait]
impl Admin for Model {
    async fn queues(&self) -> Result<Vec<QueueView>> {
        Ok(self.locked(|store| store.queues()))
    }

    async fn find(&self, filter: Filter) -> Result<Vec<TaskView>> {
        Ok(self.locked(|store| store.find(&filter)))
    }

    async fn task(&self, id: TaskId) -> Result<Option<TaskDetail>> {
        Ok(self.locked(|store| store.detail(id)))
    }

    async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>> {
        let acted = self.locked(|store| ids.iter().map(|id| store.act(act, *id)).collect());
        self.arrived.notify_waiters();
        Ok(acted)
    }

    async fn set(&self, queue: QueueName, task_type: Option<TaskType>, setting: Setting) -> Result<()> {
        self.locked(|store| store.set(queue, task_type, setting))?;
        self.arrived.notify_waiters();
        Ok(())
    }

    async fn drones(&self) -> Result<Vec<DroneView>> {
        Ok(self.locked(|store| store.drones()))
    }

    async fn drain(&self, drone: Incarnation) -> Result<bool> {
        Ok(self.locked(|store| store.drain(drone)))
    }

    async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        let found = self.locked(|store| store.take_for_gone(drone));
        self.arrived.notify_waiters();
        Ok(found)
    }
}
