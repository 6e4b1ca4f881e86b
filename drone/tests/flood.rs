//! The queue comes back from an outage: what was kept meanwhile comes to it in bounded calls, each task once.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use skep_drone::{
    Client, Context, Drone, HandlerError, Life, NewTask, Settings, Spool, Stopper,
    client::{Landed, OnDown},
    spool,
};
use skep_queue::{
    Admin, Beat, Block, Claimed, Incarnation, Orders, Progress, Pump, Queue, QueueName, Result, Settled,
    Settlement, Submission, Submitted, TaskId, TaskType,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, State, TaskDetail, TaskView},
    clock::{SystemClock, SystemRandom},
    testing::{Faults, Flaky, model::Model},
};

const URL: &str = "model://host/db";
/// More than one settle takes.
const HELD: usize = 700;
const SPOOLED: usize = 600;

/// Notes how much comes in one call.
struct Scales {
    queue: Flaky<Model>,
    settles: Mutex<Vec<usize>>,
    submits: Mutex<Vec<usize>>,
}

impl Scales {
    fn new() -> Arc<Self> {
        let queue = Flaky::new(Arc::new(Model::new(Arc::new(SystemClock))), 1, Faults::default());
        Arc::new(Self { queue, settles: Mutex::default(), submits: Mutex::default() })
    }

    async fn completed(&self) -> usize {
        let filter = Filter { states: vec![State::Completed], limit: 100_000, ..Filter::default() };
        self.queue.inner().find(filter).await.unwrap().len()
    }
}

#[async_trait]
impl Queue for Scales {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        let tasks = submission.blocks.iter().map(|block| block.payloads.len()).sum();
        self.submits.lock().unwrap().push(tasks);
        self.queue.submit(submission).await
    }
    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        self.queue.pump(pump).await
    }
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.settles.lock().unwrap().push(settlements.len());
        self.queue.settle(settlements).await
    }
    async fn beat(&self, beat: Beat) -> Result<Orders> {
        self.queue.beat(beat).await
    }
    async fn arrival(&self, types: &[TaskType]) {
        self.queue.arrival(types).await;
    }
    async fn progress(&self, notes: Vec<Progress>) -> Result<()> {
        self.queue.progress(notes).await
    }
}

#[async_trait]
impl Admin for Scales {
    async fn queues(&self) -> Result<Vec<QueueView>> {
        self.queue.queues().await
    }
    async fn find(&self, filter: Filter) -> Result<Vec<TaskView>> {
        self.queue.find(filter).await
    }
    async fn task(&self, id: TaskId) -> Result<Option<TaskDetail>> {
        self.queue.task(id).await
    }
    async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>> {
        self.queue.act(act, ids).await
    }
    async fn set(&self, queue: QueueName, task_type: Option<TaskType>, setting: Setting) -> Result<()> {
        self.queue.set(queue, task_type, setting).await
    }
    async fn drones(&self) -> Result<Vec<DroneView>> {
        self.queue.drones().await
    }
    async fn drain(&self, drone: Incarnation) -> Result<bool> {
        self.queue.drain(drone).await
    }
    async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        self.queue.rescue(drone).await
    }
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..3_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_everything_is_reported_in_bounded_calls_and_nothing_twice() {
    let (folder, scales) = (tempfile::tempdir().unwrap(), Scales::new());
    // Each alone in its block: as many rows as tasks.
    let block = |n: usize| Block::one("t".parse().unwrap(), n.to_string(), &SystemClock, &SystemRandom);
    scales.queue.submit(Submission::whole((0..HELD).map(block).collect())).await.unwrap();
    let (ran, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let (count, wait) = (Arc::clone(&ran), Arc::clone(&gate));
    let handler = move |_: u64, _: Context| {
        let (count, wait) = (Arc::clone(&count), Arc::clone(&wait));
        async move {
            let _open = wait.acquire().await;
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, HandlerError>(())
        }
    };
    let spool = || Spool::new(spool::Config::at(folder.path().join("spool.db")), Arc::new(SystemClock));
    let settings = Settings { prefetch: HELD, ..Settings::default() };
    let drone = Drone::builder()
        .name("test")
        .queue("model", QueueName::default(), scales.clone())
        .spool("model", spool(), URL)
        .local_path(folder.path().join("local.db"))
        .life(Life { beat: Duration::from_millis(100), ..Life::default() })
        .handler("t".parse().unwrap(), 64, settings, handler);
    let stopper = Stopper::default();
    let running = tokio_util::task::TaskTracker::new().spawn(drone.build().unwrap().run(stopper.clone()));
    // By its own word: a claim whose reply is cut off is not held yet.
    until("the drone holds all of it", || async {
        scales.queue.inner().drones().await.unwrap().iter().any(|drone| drone.facts.held == HELD)
    })
    .await;

    scales.queue.down(true);
    gate.add_permits(64);
    until("I17: all of it has run", || async { ran.load(Ordering::Relaxed) == HELD }).await;
    let client = Client::new(scales.clone(), Arc::new(SystemClock), Arc::new(SystemRandom));
    let client = client.spool(spool(), URL).on_down(OnDown::Spool);
    let tasks: Vec<NewTask> = (0..SPOOLED).map(|n| NewTask::new("t", &n).unwrap()).collect();
    let answers = client.submit_many(&tasks, true).await.unwrap();
    assert!(answers.iter().all(|answer| matches!(answer, Ok(receipt) if receipt.landed == Landed::Spooled)));
    assert_eq!(scales.completed().await, 0, "nobody could be told");
    scales.submits.lock().unwrap().clear();

    scales.queue.down(false);
    until("everything is done and told", || async { scales.completed().await == HELD + SPOOLED }).await;
    stopper.stop();
    let report = running.await.unwrap().unwrap();
    assert_eq!((report.unreported, ran.load(Ordering::Relaxed)), (0, HELD + SPOOLED), "nothing is run again");
    let most = |calls: &Mutex<Vec<usize>>| calls.lock().unwrap().iter().copied().max().unwrap();
    let (settled, submitted) = (most(&scales.settles), scales.submits.lock().unwrap().clone());
    assert!(settled <= 512, "{settled} rows in one settle");
    assert!(submitted[0] <= 128 && submitted.len() > 2, "it begins slowly: {submitted:?}");
    assert!(submitted.iter().all(|tasks| *tasks <= 1024), "{submitted:?}");
    assert!(spool().list().await.unwrap().is_empty());
}
