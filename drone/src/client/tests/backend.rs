//! The model, with its calls counted and its answers lost as told; and a drone in one function.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use skep_queue::{
    Admin, Beat, Cause, ClaimId, Claimed, Demand, Ending, Error, Failure, Incarnation, Orders, Outcome,
    Progress, Pump, Queue, QueueName, Result, Settled, Settlement, Submission, Submitted, TaskId, TaskType,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, TaskDetail, TaskView},
    testing::{Model, TestClock, TestRandom},
};
use tokio::sync::Semaphore;

pub(crate) struct Told {
    model: Model,
    calls: AtomicUsize,
    losses: AtomicUsize,
    panics: AtomicBool,
    /// Each call takes one.
    gate: Semaphore,
}

impl Told {
    pub(crate) fn new() -> Arc<Self> {
        Self::with(TestClock::new())
    }

    pub(crate) fn with(clock: Arc<TestClock>) -> Arc<Self> {
        Arc::new(Self {
            model: Model::new(clock),
            calls: AtomicUsize::new(0),
            losses: AtomicUsize::new(0),
            panics: AtomicBool::new(false),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    /// How many submits there were.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Relaxed)
    }

    /// The next submits happen, but their answers are lost.
    pub(crate) fn lose_replies(&self, n: usize) {
        self.losses.store(n, Relaxed);
    }

    /// The next submit panics.
    pub(super) fn panic_once(&self) {
        self.panics.store(true, Relaxed);
    }

    /// Lets no submit through any more.
    pub(super) fn close(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(super) fn open(&self) {
        self.gate.add_permits(1000);
    }

    /// Waits for a task of a type and ends it, with a result or an error.
    pub(crate) async fn work(&self, task_type: &str, end: Result<&str, &str>) {
        let random = TestRandom::new(self.calls() as u64);
        let demand = Demand { task_type: task_type.parse().unwrap(), room: 1 };
        let (drone, claim) = (Incarnation::new(random.as_ref()), ClaimId::new(random.as_ref()));
        let pump = Pump { drone, claim, queue: QueueName::default(), demands: vec![demand] };
        for _ in 0..1000 {
            if let Some(row) = self.pump(pump.clone()).await.unwrap().first() {
                let outcome = match end {
                    Ok(json) => {
                        Outcome::Complete { result: Some(json.to_owned().into()), submit: Vec::new() }
                    }
                    Err(error) => Outcome::Discard { failure: Failure::new(Cause::Failed, error) },
                };
                let endings = vec![Ending { members: row.live, outcome }];
                self.settle(vec![Settlement { claim, block: row.block, endings }]).await.unwrap();
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("no task of type {task_type} came");
    }
}

#[async_trait]
impl Queue for Told {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        self.gate.acquire().await.unwrap().forget();
        self.calls.fetch_add(1, Relaxed);
        assert!(!self.panics.swap(false, Relaxed), "as told");
        let answer = self.model.submit(submission).await;
        let lost = self.losses.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1)).is_ok();
        if lost { Err(Error::Unavailable("the answer was lost".into())) } else { answer }
    }
    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        self.model.pump(pump).await
    }
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.model.settle(settlements).await
    }
    async fn beat(&self, beat: Beat) -> Result<Orders> {
        self.model.beat(beat).await
    }
    async fn arrival(&self, types: &[TaskType]) {
        self.model.arrival(types).await;
    }
    async fn progress(&self, notes: Vec<Progress>) -> Result<()> {
        self.model.progress(notes).await
    }
}

#[async_trait]
impl Admin for Told {
    async fn queues(&self) -> Result<Vec<QueueView>> {
        self.model.queues().await
    }
    async fn find(&self, filter: Filter) -> Result<Vec<TaskView>> {
        self.model.find(filter).await
    }
    async fn task(&self, id: TaskId) -> Result<Option<TaskDetail>> {
        self.model.task(id).await
    }
    async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>> {
        self.model.act(act, ids).await
    }
    async fn set(&self, queue: QueueName, task_type: Option<TaskType>, setting: Setting) -> Result<()> {
        self.model.set(queue, task_type, setting).await
    }
    async fn drones(&self) -> Result<Vec<DroneView>> {
        self.model.drones().await
    }
    async fn drain(&self, drone: Incarnation) -> Result<bool> {
        self.model.drain(drone).await
    }
    async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        self.model.rescue(drone).await
    }
}
