//! A backend that could not be opened just now, and may be at a later call.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use skep_queue::{
    Admin, Backend, Beat, Claimed, Error, Incarnation, Orders, Progress, Pump, Queue, QueueName, Result,
    Settled, Settlement, Submission, Submitted, TaskId, TaskType,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, TaskDetail, TaskView},
};
use tokio::sync::{Mutex, OnceCell, oneshot};

use crate::apart::apart;

/// How long opening may take before the backend counts as out of reach.
const OPENING: Duration = Duration::from_secs(2);
/// How often to look for work that cannot come yet.
const POLL: Duration = Duration::from_secs(1);

/// Why a backend did not open.
pub(super) enum Closed {
    /// No waiting heals it: a wrong URL, a foreign file.
    Wrong(String),
    /// It may open later.
    Away(String),
}

type Opened = std::result::Result<Arc<dyn Backend>, Closed>;
type Open = Arc<dyn Fn() -> Opened + Send + Sync>;

/// Opens at the first call that finds it open.
pub(super) struct Later {
    open: Open,
    opened: OnceCell<Arc<dyn Backend>>,
    /// A try that has not ended: opening may wait for a process that stands still.
    under_way: Mutex<Option<oneshot::Receiver<Opened>>>,
}

impl Later {
    /// The backend, or one that opens later.
    ///
    /// # Errors
    /// What no waiting heals, in words.
    pub(super) async fn open(open: Open) -> std::result::Result<Arc<dyn Backend>, String> {
        let later = Self { open, opened: OnceCell::new(), under_way: Mutex::default() };
        match later.attempt().await {
            Ok(backend) => Ok(backend),
            Err(Closed::Wrong(why)) => Err(why),
            Err(Closed::Away(_)) => Ok(Arc::new(later)),
        }
    }

    async fn attempt(&self) -> Opened {
        let mut under_way = self.under_way.lock().await;
        let open = Arc::clone(&self.open);
        let opening = under_way.get_or_insert_with(|| apart("skep-open", move || open()));
        let opened = tokio::time::timeout(OPENING, &mut *opening).await;
        let Ok(opened) = opened else {
            let why = format!("it did not open within {} s: is another process stopped?", OPENING.as_secs());
            return Err(Closed::Away(why));
        };
        *under_way = None;
        opened.unwrap_or_else(|_| Err(Closed::Away("there is no thread to open it".into())))
    }

    async fn backend(&self) -> Result<&Arc<dyn Backend>> {
        let opened = self.opened.get_or_try_init(|| async { self.attempt().await }).await;
        // It was let in as one that is away; what is wrong with it now is no fault of the call's.
        opened.map_err(|(Closed::Wrong(why) | Closed::Away(why))| Error::Unavailable(why))
    }
}

#[async_trait]
impl Queue for Later {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        self.backend().await?.submit(submission).await
    }
    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        self.backend().await?.pump(pump).await
    }
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.backend().await?.settle(settlements).await
    }
    async fn settle_lazily(&self, drone: Incarnation, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.backend().await?.settle_lazily(drone, settlements).await
    }
    async fn flush(&self, drone: Incarnation) -> Result<bool> {
        self.backend().await?.flush(drone).await
    }
    async fn beat(&self, beat: Beat) -> Result<Orders> {
        self.backend().await?.beat(beat).await
    }
    async fn arrival(&self, types: &[TaskType]) {
        match self.backend().await {
            Ok(backend) => backend.arrival(types).await,
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
    async fn progress(&self, notes: Vec<Progress>) -> Result<()> {
        self.backend().await?.progress(notes).await
    }
}

#[async_trait]
impl Admin for Later {
    async fn queues(&self) -> Result<Vec<QueueView>> {
        self.backend().await?.queues().await
    }
    async fn find(&self, filter: Filter) -> Result<Vec<TaskView>> {
        self.backend().await?.find(filter).await
    }
    async fn task(&self, id: TaskId) -> Result<Option<TaskDetail>> {
        self.backend().await?.task(id).await
    }
    async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>> {
        self.backend().await?.act(act, ids).await
    }
    async fn set(&self, queue: QueueName, task_type: Option<TaskType>, setting: Setting) -> Result<()> {
        self.backend().await?.set(queue, task_type, setting).await
    }
    async fn drones(&self) -> Result<Vec<DroneView>> {
        self.backend().await?.drones().await
    }
    async fn drain(&self, drone: Incarnation) -> Result<bool> {
        self.backend().await?.drain(drone).await
    }
    async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        self.backend().await?.rescue(drone).await
    }
}
