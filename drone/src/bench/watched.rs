//! A backend that notes when the last of so many tasks was settled.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use skep_queue::{
    Admin, Backend, Beat, Claimed, Clock, Incarnation, Orders, Progress, Pump, Queue, QueueName, Result,
    Settled, Settlement, Submission, Submitted, TaskId, TaskType,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, TaskDetail, TaskView},
};

pub(super) struct Watched {
    inner: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    left: AtomicUsize,
    done: OnceLock<Duration>,
    pumps: AtomicUsize,
    settles: AtomicUsize,
}

impl Watched {
    pub(super) fn new(inner: Arc<dyn Backend>, clock: Arc<dyn Clock>, tasks: usize) -> Self {
        let zero = || AtomicUsize::new(0);
        Self {
            inner,
            clock,
            left: AtomicUsize::new(tasks),
            done: OnceLock::new(),
            pumps: zero(),
            settles: zero(),
        }
    }

    /// When the last task was accepted as settled.
    pub(super) fn done_at(&self) -> Option<Duration> {
        self.done.get().copied()
    }

    /// How often the queue was pumped and settled.
    pub(super) fn calls(&self) -> (usize, usize) {
        (self.pumps.load(Ordering::Relaxed), self.settles.load(Ordering::Relaxed))
    }

    fn settled(&self, answers: Vec<Settled>) -> Vec<Settled> {
        let settled: usize = answers.iter().map(|answer| answer.accepted.len()).sum();
        if settled > 0 && self.left.fetch_sub(settled, Ordering::Relaxed) == settled {
            let _ = self.done.set(self.clock.elapsed());
        }
        answers
    }
}

#[async_trait]
impl Queue for Watched {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        self.inner.submit(submission).await
    }

    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        self.pumps.fetch_add(1, Ordering::Relaxed);
        self.inner.pump(pump).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.settles.fetch_add(1, Ordering::Relaxed);
        Ok(self.settled(self.inner.settle(settlements).await?))
    }

    async fn settle_lazily(&self, drone: Incarnation, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.settles.fetch_add(1, Ordering::Relaxed);
        Ok(self.settled(self.inner.settle_lazily(drone, settlements).await?))
    }

    async fn flush(&self, drone: Incarnation) -> Result<bool> {
        self.inner.flush(drone).await
    }

    async fn beat(&self, beat: Beat) -> Result<Orders> {
        self.inner.beat(beat).await
    }

    async fn arrival(&self, types: &[TaskType]) {
        self.inner.arrival(types).await;
    }

    async fn progress(&self, notes: Vec<Progress>) -> Result<()> {
        self.inner.progress(notes).await
    }
}

#[async_trait]
impl Admin for Watched {
    async fn queues(&self) -> Result<Vec<QueueView>> {
        self.inner.queues().await
    }

    async fn find(&self, filter: Filter) -> Result<Vec<TaskView>> {
        self.inner.find(filter).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<TaskDetail>> {
        self.inner.task(id).await
    }

    async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>> {
        self.inner.act(act, ids).await
    }

    async fn set(&self, queue: QueueName, task_type: Option<TaskType>, setting: Setting) -> Result<()> {
        self.inner.set(queue, task_type, setting).await
    }

    async fn drones(&self) -> Result<Vec<DroneView>> {
        self.inner.drones().await
    }

    async fn drain(&self, drone: Incarnation) -> Result<bool> {
        self.inner.drain(drone).await
    }

    async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        self.inner.rescue(drone).await
    }
}
