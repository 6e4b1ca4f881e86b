//! Managers of one model, drones that a test moves a word at a time, and links that speak for themselves.
#![allow(dead_code, clippy::allow_attributes, reason = "tests, of which each uses a part of it")]

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use skep_manager::{
    Manager, Server,
    client::Place,
    link::{Receiver, Sender, link},
    server::{Address, Config, Limits, Listener},
    wire::{self, Answer, End, Note, Reply, Request, frame::NOTE, view::Status},
};
use skep_queue::{
    Block, Clock, Error, QueueName, TaskId,
    clock::{SystemClock, SystemRandom},
    testing::{
        Bench, Model, TestClock,
        bench::{Drone, Handed, kind},
    },
};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long anything may take.
pub const BOUND: Duration = Duration::from_secs(20);

/// Managers in one process. The model lives by a clock that the test moves.
pub struct Desk {
    pub model: Model,
    pub clock: Arc<TestClock>,
    folder: TempDir,
    stop: CancellationToken,
    tasks: TaskTracker,
    managers: AtomicUsize,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A manager whose queues have this bound, unless the test says more.
pub fn bounded(capacity: &str) -> Config {
    Config { limits: limits(capacity), ..quiet() }
}

/// A bound.
pub fn limits(capacity: &str) -> Limits {
    Limits { capacity: Some(capacity.parse().unwrap()), ..Limits::default() }
}

/// Nobody has to say anything for a while.
pub fn quiet() -> Config {
    Config { heartbeat: Duration::from_secs(60), reannounce: Some(Duration::ZERO), ..Config::default() }
}

pub fn name(queue: &str) -> QueueName {
    queue.parse().unwrap()
}

impl Desk {
    pub fn new() -> Self {
        let clock = TestClock::new();
        Self {
            model: Model::new(Arc::clone(&clock) as _),
            clock,
            folder: tempfile::tempdir().unwrap(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            managers: AtomicUsize::new(0),
        }
    }

    /// A manager that lives by the test's clock: what it does by itself now and then it does only when the test
    /// lets time pass.
    pub fn still(&self, config: Config) -> PathBuf {
        self.manager(config, Arc::clone(&self.clock) as _)
    }

    /// A manager that lives by the machine's clock.
    pub fn lively(&self, config: Config) -> PathBuf {
        self.manager(config, Arc::new(SystemClock))
    }

    fn manager(&self, config: Config, clock: Arc<dyn Clock>) -> PathBuf {
        let path = self.folder.path().join(format!("{}.sock", self.managers.fetch_add(1, Relaxed)));
        let server = Server::new(Arc::new(self.model.again()), config, clock);
        let listener = Listener::bind(&Address::Unix(path.clone())).unwrap();
        self.tasks.spawn(server.serve(listener, self.stop.clone()));
        path
    }

    /// The queue as it is through a manager.
    pub fn bench(&self, manager: &Path) -> Bench {
        let place = Place::Unix(manager.to_owned());
        let client = Manager::new(vec![place], Arc::new(SystemClock), Arc::new(SystemRandom));
        Bench::new(Arc::new(client), Arc::clone(&self.clock))
    }

    /// The queue itself.
    pub fn store(&self) -> Bench {
        Bench::of_model(self.model.again(), Arc::clone(&self.clock))
    }

    /// A link to a manager.
    pub async fn line(&self, manager: &Path) -> Line {
        let (receiver, sender, writer) = link(Box::new(UnixStream::connect(manager).await.unwrap()));
        self.tasks.spawn(writer.run());
        Line { receiver, sender, next: 1, early: VecDeque::new() }
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

/// A drone with so many hands that has beaten once.
pub async fn drone(bench: &Bench, hands: usize) -> Drone {
    let mut drone = Drone::new(bench, "d");
    drone.facts.hands = hands;
    drone.beat(&[]).await;
    drone
}

/// Pumps until there is a task.
pub async fn take(drone: &Drone) -> Handed {
    let pumps = async {
        loop {
            if let Some(task) = drone.pump("a", 1).await.pop() {
                return task;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(BOUND, pumps).await.expect("a task comes")
}

/// What came for a request.
#[derive(Debug)]
pub enum Heard {
    Note(Note),
    Answer(Result<Answer, Error>),
}

/// A link. Dropped, it ends.
pub struct Line {
    receiver: Receiver,
    sender: Sender,
    next: u32,
    early: VecDeque<(u32, Heard)>,
}

impl Line {
    /// Says something; what comes for it is heard under this number.
    pub fn say(&mut self, request: &Request) -> u32 {
        self.next += 1;
        let sent = self.sender.send(self.next, 0, wire::encode(request).unwrap(), None);
        assert!(sent, "the link has ended");
        self.next
    }

    /// What comes next, for whatever request.
    pub async fn any(&mut self) -> (u32, Heard) {
        if let Some(heard) = self.early.pop_front() {
            return heard;
        }
        self.read().await
    }

    async fn read(&mut self) -> (u32, Heard) {
        let next = tokio::time::timeout(BOUND, self.receiver.next());
        let frame = next.await.expect("something comes").unwrap().expect("the link has ended");
        if frame.flags & NOTE != 0 {
            return (frame.id, Heard::Note(wire::decode(&frame.bytes).unwrap()));
        }
        let answer = match wire::decode::<Reply>(&frame.bytes).unwrap() {
            Reply::Ok(answer) => Ok(answer),
            Reply::Error(error) => Err(error),
        };
        (frame.id, Heard::Answer(answer))
    }

    /// What comes next for this request.
    pub async fn hear(&mut self, id: u32) -> Heard {
        if let Some(at) = self.early.iter().position(|(of, _)| *of == id) {
            return self.early.remove(at).unwrap().1;
        }
        loop {
            let (of, heard) = self.read().await;
            if of == id {
                return heard;
            }
            self.early.push_back((of, heard));
        }
    }

    /// The answer to this request, and the notes before it.
    pub async fn answer(&mut self, id: u32) -> (Vec<Note>, Answer) {
        let mut notes = Vec::new();
        loop {
            match self.hear(id).await {
                Heard::Note(note) => notes.push(note),
                Heard::Answer(answer) => return (notes, answer.unwrap()),
            }
        }
    }

    pub async fn ask(&mut self, request: Request) -> Answer {
        let id = self.say(&request);
        self.answer(id).await.1
    }

    pub async fn status(&mut self) -> Status {
        match self.ask(Request::Status).await {
            Answer::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until so many callers are known to the manager.
    pub async fn callers(&mut self, n: usize) {
        let looks = async {
            while self.status().await.callers != n {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(BOUND, looks).await.is_ok(), "never {n} callers");
    }

    /// The end of a call or a collect.
    pub async fn end(&mut self, id: u32) -> End {
        match self.answer(id).await.1 {
            Answer::Called { end, .. } | Answer::Collected(end) => end,
            other => panic!("{other:?}"),
        }
    }
}

/// A task of type `a`.
pub fn task() -> Block {
    Block::one(kind("a"), "1", &SystemClock, &SystemRandom)
}

/// A call of a task of type `a` with time enough, and its id.
pub fn call() -> (Request, TaskId) {
    let block = task();
    let id = block.id.task(0);
    (Request::Call { block, wait: BOUND }, id)
}

/// Waits for a task by its id, with time enough.
pub fn collect(id: TaskId) -> Request {
    Request::Collect { id, wait: BOUND }
}
