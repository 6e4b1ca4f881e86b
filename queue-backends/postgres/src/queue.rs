//! `PgQueue`: the contract of a queue, on PostgreSQL. What it does is in the SQL functions; how they are
//! called, in the modules beside this one.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use skep_queue::{
    Admin, Beat, Claimed, Clock, Incarnation, Orders, Pump, Queue, QueueName, Random, Result, Settled,
    Settlement, Submission, Submitted, TaskId, TaskType, Watch,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, TaskDetail, TaskView},
};

use crate::{
    bell::{self, Bell},
    error::Error,
    store::{Config, Store},
    unflushed::Unflushed,
    walk::Walks,
};

/// The fleet's queue.
pub struct PgQueue {
    pub(crate) store: Arc<Store>,
    /// What this process has seen of the drones: another watches for itself.
    pub(crate) watch: Mutex<Watch>,
    /// When this process last cleaned up.
    pub(crate) maintained: Mutex<Option<Duration>>,
    pub(crate) bell: Bell,
    /// How far its claims came.
    pub(crate) walks: Walks,
    /// Its claims that may not be on disk.
    pub(crate) unflushed: Unflushed,
}

impl PgQueue {
    /// Connects when it is first asked: the server may be down.
    ///
    /// # Errors
    /// When the URL is wrong.
    pub fn new(config: &Config, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self, Error> {
        let store = Arc::new(Store::new(config, clock, random)?);
        let (watch, maintained) = (Mutex::default(), Mutex::default());
        let (bell, walks, unflushed) = Default::default();
        Ok(Self { store, watch, maintained, bell, walks, unflushed })
    }

    /// Whether it answers, and has a schema that this version can work with.
    ///
    /// # Errors
    /// In words that say what to do; never with a password.
    pub async fn ready(&self) -> Result<(), Error> {
        self.store.ready().await
    }

    /// The same, on the heartbeat's own connection.
    ///
    /// # Errors
    /// As [`PgQueue::ready`].
    pub async fn ready_beat(&self) -> Result<(), Error> {
        self.store.ready_beat().await
    }

    /// Settles; lazily for a drone that keeps what it reports.
    async fn report(
        &self,
        keeper: Option<Incarnation>,
        settlements: Vec<Settlement>,
    ) -> Result<Vec<Settled>> {
        let news = settlements.iter().any(bell::makes_news);
        // Whoever is refused here says next that the outcome cannot be stored, and it may be a good one.
        let settled = self.end(keeper, settlements).await.map_err(|error| self.failed(error.kept()))?;
        if news {
            self.ring().await;
        }
        Ok(settled)
    }

    /// Whoever was not reachable may have missed every beat.
    fn failed(&self, error: impl Into<skep_queue::Error>) -> skep_queue::Error {
        let error = error.into();
        if matches!(error, skep_queue::Error::Unavailable(_)) {
            self.watch.lock().unwrap_or_else(std::sync::PoisonError::into_inner).outage();
        }
        error
    }
}

#[async_trait]
impl Queue for PgQueue {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        let answers = self.submit_blocks(submission).await.map_err(|error| self.failed(error))?;
        if answers.iter().any(bell::is_news) {
            self.ring().await;
        }
        Ok(answers)
    }

    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        self.bell.pumps(&pump.queue);
        let claimed = self.claim(pump).await.map_err(|error| match error {
            // It was reached, and so were the drones' beats.
            Error::Waits(_) => error.into(),
            error => self.failed(error),
        })?;
        if !claimed.is_empty() {
            self.bell.flows();
        }
        Ok(claimed)
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.report(None, settlements).await
    }

    async fn settle_lazily(&self, drone: Incarnation, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.report(Some(drone), settlements).await
    }

    async fn flush(&self, drone: Incarnation) -> Result<bool> {
        self.make_durable(drone).await.map_err(|error| self.failed(error))
    }

    async fn beat(&self, beat: Beat) -> Result<Orders> {
        self.renew(beat).await.map_err(|error| self.failed(error))
    }

    async fn arrival(&self, types: &[TaskType]) {
        self.wait(types).await;
    }
}

#[async_trait]
impl Admin for PgQueue {
    async fn queues(&self) -> Result<Vec<QueueView>> {
        self.see_queues().await.map_err(|error| self.failed(error))
    }

    async fn find(&self, filter: Filter) -> Result<Vec<TaskView>> {
        self.see_tasks(filter).await.map_err(|error| self.failed(error))
    }

    async fn task(&self, id: TaskId) -> Result<Option<TaskDetail>> {
        self.see_task(id).await.map_err(|error| self.failed(error))
    }

    async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>> {
        let acted = self.act_on(act, ids).await.map_err(|error| self.failed(error))?;
        if acted.iter().any(|acted| matches!(acted, Acted::Done | Acted::Requested)) {
            self.ring().await;
        }
        Ok(acted)
    }

    async fn set(&self, queue: QueueName, task_type: Option<TaskType>, setting: Setting) -> Result<()> {
        self.change(queue, task_type, setting).await.map_err(|error| self.failed(error))?;
        self.ring().await;
        Ok(())
    }

    async fn drones(&self) -> Result<Vec<DroneView>> {
        self.see_drones().await.map_err(|error| self.failed(error))
    }

    async fn drain(&self, drone: Incarnation) -> Result<bool> {
        let told = self.tell_to_drain(drone).await.map_err(|error| self.failed(error))?;
        if told {
            self.ring().await;
        }
        Ok(told)
    }

    async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        let known = self.take_for_gone(drone).await.map_err(|error| self.failed(error))?;
        if known {
            self.ring().await;
        }
        Ok(known)
    }
}
