//! Managers of one store, and drones that a test moves a word at a time, each on a link of its own.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use skep_manager::{
    Server,
    link::{Receiver, Sender, link},
    server::{Address, Config, Listener},
    wire::{self, Answer, Reply, Request, view::Hands},
};
use skep_queue::{
    Admin, Backend, Beat, Block, ClaimId, Claimed, Demand, DroneFacts, Error, Incarnation, Options, Orders,
    Pump, Queue, QueueName, Result, Settled, Settlement, Submission, Submitted, TaskId, TaskType,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, State, TaskDetail, TaskView},
    block::OnLost,
    clock::{SystemClock, SystemRandom},
    testing::Model,
};
use tempfile::TempDir;
use tokio::{net::UnixStream, sync::Semaphore};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// How long anything may take: less than the poll of whoever waits.
pub const BOUND: Duration = Duration::from_secs(8);

/// How often a link says that it lives.
const PING: Duration = Duration::from_millis(50);

/// Managers in one process.
pub struct Scene {
    pub store: Arc<Store>,
    folder: TempDir,
    stop: CancellationToken,
    tasks: TaskTracker,
    managers: AtomicUsize,
}

/// The store: a model that counts pumps, and tells nobody when work arrives. What a submit brings is there before its
/// answer, which waits for a permit.
pub struct Store {
    model: Model,
    pub pumps: AtomicUsize,
    pub answers: Semaphore,
    /// What was accepted last need not outlive a power cut.
    pub fleeting: AtomicBool,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Scene {
    pub fn new() -> Self {
        let (model, pumps) = (Model::new(Arc::new(SystemClock)), AtomicUsize::new(0));
        let (answers, fleeting) = (Semaphore::new(1), AtomicBool::new(false));
        let store = Store { model, pumps, answers, fleeting };
        Self {
            store: Arc::new(store),
            folder: tempfile::tempdir().unwrap(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            managers: AtomicUsize::new(0),
        }
    }

    /// Starts a manager, and says where.
    pub fn manager(&self, config: Config) -> PathBuf {
        let path = self.folder.path().join(format!("{}.sock", self.managers.fetch_add(1, Relaxed)));
        let backend: Arc<dyn Backend> = Arc::clone(&self.store) as _;
        let server = Server::new(backend, config, Arc::new(SystemClock));
        let listener = Listener::bind(&Address::Unix(path.clone())).unwrap();
        self.tasks.spawn(server.serve(listener, self.stop.clone()));
        path
    }

    /// A link to a manager.
    pub async fn line(&self, manager: &Path) -> Line {
        let (receiver, sender, writer) = link(Box::new(UnixStream::connect(manager).await.unwrap()));
        self.tasks.spawn(writer.run());
        let alive = CancellationToken::new();
        let (pings, dead) = (sender.clone(), alive.clone());
        self.tasks.spawn(async move {
            let ping = wire::encode(&Request::Ping).unwrap();
            while !dead.is_cancelled() && pings.send(0, 0, ping.clone(), None) {
                tokio::select! {
                    () = tokio::time::sleep(PING) => {}
                    () = dead.cancelled() => {}
                }
            }
        });
        Line { sender, receiver, next: AtomicU32::new(1), early: Vec::new(), _alive: alive.drop_guard() }
    }

    /// Submits tasks of type `a`, and answers their ids.
    pub async fn submit(&self, line: &mut Line, n: usize, on_lost: OnLost) -> Vec<TaskId> {
        let options = Arc::new(Options { on_lost, ..Options::default() });
        let block = |_| Block { options: Arc::clone(&options), ..one() };
        let blocks: Vec<Block> = (0..n).map(block).collect();
        let ids = sorted(blocks.iter().map(|block| block.id.task(0)));
        match line.ask(Request::Submit(Submission::whole(blocks))).await {
            Answer::Submitted(answers) => assert!(answers.iter().all(|a| *a == Submitted::Accepted)),
            other => panic!("{other:?}"),
        }
        ids
    }

    pub async fn state(&self, id: TaskId) -> State {
        self.store.task(id).await.unwrap().unwrap().view.state
    }

    /// Waits for a condition.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let looks = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(BOUND, looks).await.is_ok(), "never: {what}");
    }
}

pub fn one() -> Block {
    Block::one(kind(), "1", &SystemClock, &SystemRandom)
}

pub fn kind() -> TaskType {
    "a".parse().unwrap()
}

/// A link that pings. Dropped, it ends as that of a process that was killed.
pub struct Line {
    sender: Sender,
    receiver: Receiver,
    next: AtomicU32,
    early: Vec<(u32, Answer)>,
    _alive: DropGuard,
}

impl Line {
    /// Says something; the answer is [heard](Line::hear) under this number.
    pub fn say(&self, request: &Request) -> u32 {
        let id = self.next.fetch_add(1, Relaxed);
        assert!(self.sender.send(id, 0, wire::encode(request).unwrap(), None), "the link has ended");
        id
    }

    /// The answer under this number.
    pub async fn hear(&mut self, id: u32) -> Answer {
        within(self.heard(id)).await
    }

    async fn heard(&mut self, id: u32) -> Answer {
        if let Some(at) = self.early.iter().position(|(of, _)| *of == id) {
            return self.early.remove(at).1;
        }
        loop {
            let frame = self.receiver.next().await.unwrap().expect("the link has ended");
            match wire::decode::<Reply>(&frame.bytes).unwrap() {
                Reply::Ok(answer) if frame.id == id => return answer,
                Reply::Ok(_) if frame.id == 0 => {}
                Reply::Ok(answer) => self.early.push((frame.id, answer)),
                Reply::Error(error) => panic!("{error}"),
            }
        }
    }

    pub async fn ask(&mut self, request: Request) -> Answer {
        let id = self.say(&request);
        self.hear(id).await
    }

    /// What the manager says of its drones.
    pub async fn hands(&mut self) -> Vec<Hands> {
        match self.ask(Request::Status).await {
            Answer::Status(status) => status.drones,
            other => panic!("{other:?}"),
        }
    }
}

/// What a drone knows, which outlives its links.
pub struct Drone {
    pub incarnation: Incarnation,
    pub hands: usize,
    pub held: Vec<ClaimId>,
}

impl Drone {
    pub fn new(hands: usize) -> Self {
        Self { incarnation: Incarnation::new(&SystemRandom), hands, held: Vec::new() }
    }

    fn a_beat(&self, leaving: bool) -> Beat {
        let name = self.incarnation.to_string();
        let facts = DroneFacts { name, types: vec![kind()], hands: self.hands, ..DroneFacts::default() };
        let (queue, ttl) = (QueueName::default(), Duration::from_secs(60));
        Beat { drone: self.incarnation, queue, ttl, held: self.held.clone(), facts, leaving }
    }

    pub async fn beat(&self, line: &mut Line) -> Orders {
        self.orders(line, self.a_beat(false)).await
    }

    pub async fn leave(&self, line: &mut Line) {
        self.orders(line, self.a_beat(true)).await;
    }

    async fn orders(&self, line: &mut Line, beat: Beat) -> Orders {
        match line.ask(Request::Beat(beat)).await {
            Answer::Orders(orders) => orders,
            other => panic!("{other:?}"),
        }
    }

    /// Beats past every manager.
    pub async fn beat_at(&self, store: &Store) {
        store.beat(self.a_beat(false)).await.unwrap();
    }

    /// Pumps under a new claim, and holds what comes.
    pub async fn pump(&mut self, line: &mut Line, room: usize) -> Vec<TaskId> {
        let claim = ClaimId::new(&SystemRandom);
        let tasks = self.pump_again(line, claim, room).await;
        if !tasks.is_empty() {
            self.held.push(claim);
        }
        tasks
    }

    pub async fn pump_again(&self, line: &mut Line, claim: ClaimId, room: usize) -> Vec<TaskId> {
        let (drone, demands) = (self.incarnation, vec![Demand { task_type: kind(), room }]);
        match line.ask(Request::Pump(Pump { drone, claim, queue: QueueName::default(), demands })).await {
            Answer::Claimed(claimed) => sorted(claimed.iter().flat_map(Claimed::tasks)),
            other => panic!("{other:?}"),
        }
    }

    /// Begins to wait for work.
    pub fn wait(&self, line: &Line) -> u32 {
        line.say(&Request::Arrival { types: vec![kind()] })
    }
}

fn sorted(ids: impl Iterator<Item = TaskId>) -> Vec<TaskId> {
    let mut ids: Vec<TaskId> = ids.collect();
    ids.sort();
    ids
}

/// A bound on whatever a test waits for.
pub async fn within<T>(something: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, something).await.expect("not within the bound")
}

#[async_trait]
impl Queue for Store {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        let answer = self.model.submit(submission).await;
        let _permit = self.answers.acquire().await;
        self.fleeting.store(false, Relaxed);
        answer
    }
    async fn submit_lazily(&self, submission: Submission) -> Result<Vec<Submitted>> {
        self.fleeting.store(true, Relaxed);
        self.model.submit(submission).await
    }
    fn in_turn(&self) -> bool {
        true
    }
    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        self.pumps.fetch_add(1, Relaxed);
        self.model.pump(pump).await
    }
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.fleeting.store(false, Relaxed);
        self.model.settle(settlements).await
    }
    async fn beat(&self, beat: Beat) -> Result<Orders> {
        self.model.beat(beat).await
    }
    async fn arrival(&self, _: &[TaskType]) {
        std::future::pending().await
    }
}

#[async_trait]
impl Admin for Store {
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
    async fn drain(&self, _: Incarnation) -> Result<bool> {
        Err(Error::Refused("no test drains".into()))
    }
    async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        self.model.rescue(drone).await
    }
}
