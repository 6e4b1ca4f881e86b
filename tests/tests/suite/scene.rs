//! Where a test takes place: a folder with a queue file, a journal, and what is known of both.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use skep_queue::{
    Backend, Block, BlockId, Cause, Incarnation, Submission, Submitted, TaskId, TaskType,
    admin::{Event, Filter, TaskView},
    block,
    clock::{SystemClock, SystemRandom},
};
use skep_sqlite::{Connection, Options, SqliteQueue};
use skep_tests::{
    backend,
    check::{History, Record, Verdict},
    journal::{self, Entry},
    plan::{Job, Plan},
};
use tempfile::TempDir;

use super::wait::{BOUND, eventually};

/// A folder with a queue, kept when the test fails.
pub struct Scene {
    pub dir: TempDir,
    /// The URL of the queue.
    pub url: String,
    pub queue: Arc<dyn Backend>,
    submitted: Vec<TaskId>,
    pub killed: HashMap<u32, u64>,
    most: Option<(u64, u64)>,
}

impl Scene {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = backend::sqlite(&dir.path().join("queue.db"));
        Self::at(dir, url).await
    }

    /// With a queue that lies elsewhere.
    pub async fn at(dir: TempDir, url: String) -> Self {
        let queue = backend::open(&url).await.unwrap();
        Self { dir, url, queue, submitted: Vec::new(), killed: HashMap::new(), most: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A drone with a short lease.
    pub fn plan(&self, name: &str) -> Plan {
        plan(self.dir.path(), self.url.clone(), name)
    }

    /// Submits tasks in blocks, and notes that they were acknowledged.
    pub async fn submit(&mut self, task_type: &str, jobs: impl IntoIterator<Item = Job>) -> Vec<TaskId> {
        let payloads: Vec<String> =
            jobs.into_iter().map(|job| serde_json::to_string(&job).unwrap()).collect();
        let task_type: TaskType = task_type.parse().unwrap();
        let like = Block::one(task_type, "{}", &SystemClock, &SystemRandom);
        let blocks = block::pack(&like, &payloads, || BlockId::new(&SystemClock, &SystemRandom));
        let ids: Vec<TaskId> =
            blocks.iter().flat_map(|b| b.mask().iter().map(|o| b.id.task(o)).collect::<Vec<_>>()).collect();
        for chunk in blocks.chunks(64) {
            let answers = self.queue.submit(Submission::whole(chunk.to_vec())).await.unwrap();
            assert!(answers.iter().all(|answer| *answer == Submitted::Accepted), "{answers:?}");
        }
        self.submitted.extend(&ids);
        ids
    }

    /// Notes tasks that another process submitted, and was told were accepted.
    pub fn acknowledged(&mut self, ids: impl IntoIterator<Item = TaskId>) {
        self.submitted.extend(ids);
    }

    /// Notes that a process was killed.
    pub fn killed(&mut self, pid: u32) {
        self.killed.insert(pid, journal::now());
    }

    /// Notes the greatest depth that was seen, and its bound.
    pub fn observed(&mut self, most: u64, limit: u64) {
        self.most = Some((most, limit));
    }

    /// How many tasks are not terminal.
    pub async fn depth(&self) -> u64 {
        let queues = || async { answered(self.queue.queues().await) };
        eventually("the queue answers", BOUND, queues).await.iter().map(|view| view.depth).sum()
    }

    /// Returns when every task is terminal.
    pub async fn empty(&self, bound: Duration) {
        let look = || async { (self.depth().await == 0).then_some(()) };
        eventually("the queue is empty", bound, look).await;
    }

    /// The drone that runs in a process, if the queue knows it and can be reached.
    pub async fn incarnation(&self, pid: u32) -> Option<Incarnation> {
        let drones = answered(self.queue.drones().await)?;
        drones.into_iter().find(|drone| drone.facts.pid == pid).map(|drone| drone.incarnation)
    }

    /// Whether the queue still knows a drone.
    pub async fn knows(&self, drone: Incarnation) -> bool {
        let drones = self.queue.drones().await.unwrap();
        drones.iter().any(|known| known.incarnation == drone)
    }

    /// Returns when no drone is known but those with these names, each once: no lease of the dead is left.
    pub async fn only_drones(&self, names: &[&str]) {
        let look = || async {
            let drones = answered(self.queue.drones().await)?;
            let mut known: Vec<String> = drones.into_iter().map(|drone| drone.facts.name).collect();
            known.sort();
            (known == names).then_some(())
        };
        eventually("I14: only the living are known", BOUND, look).await;
    }

    pub fn entries(&self) -> Vec<Entry> {
        let (entries, torn) = journal::read(&self.path("journal")).unwrap();
        assert!(torn <= self.killed.len(), "{torn} torn lines by {} kills", self.killed.len());
        entries
    }

    pub async fn tasks(&self) -> Vec<TaskView> {
        let filter = Filter { limit: usize::MAX >> 1, ..Filter::default() };
        self.queue.find(filter).await.unwrap()
    }

    /// Everything that is known now.
    pub async fn history(&self) -> History {
        let mut tasks = Vec::new();
        for view in self.tasks().await {
            let events = match view.error {
                Some(_) => self.queue.task(view.id).await.unwrap().unwrap().history,
                None => Vec::new(),
            };
            tasks.push(record(&view, &events));
        }
        History {
            submitted: self.submitted.clone(),
            tasks,
            depth: self.depth().await,
            most: self.most,
            entries: self.entries(),
            killed: self.killed.clone(),
            cuts: Vec::new(),
        }
    }

    /// Checks every promise; prints what was counted.
    pub async fn check(&self, test: &str) -> (History, Verdict) {
        let history = self.history().await;
        let verdict = history.check();
        eprintln!("{test}: tasks {}, kills {}, {verdict}", self.submitted.len(), self.killed.len());
        assert!(verdict.broken.is_empty(), "{test}: {verdict}");
        if let Some(file) = backend::file(&self.url) {
            assert_sound(&file);
        }
        (history, verdict)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
            eprintln!("kept: {}", self.dir.path().display());
        }
    }
}

/// A drone with a short lease.
pub fn plan(folder: &Path, queue: String, name: &str) -> Plan {
    Plan {
        name: name.to_owned(),
        queue,
        local: folder.join(format!("{name}.local.db")),
        journal: folder.join("journal"),
        hands: 8,
        children: 0,
        prefetch: 15,
        ttl: Duration::from_secs(2),
        beat: Duration::from_millis(300),
        grace: Duration::from_secs(5),
        parting: Duration::from_secs(3),
        ballast: 256 * 1024,
        faults: 0,
        seed: 0,
    }
}

/// What the queue said; nothing while it cannot be reached.
fn answered<T>(said: skep_queue::Result<T>) -> Option<T> {
    match said {
        Err(skep_queue::Error::Unavailable(_)) => None,
        said => Some(said.unwrap()),
    }
}

pub fn open(path: &Path) -> SqliteQueue {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    SqliteQueue::open(path, Options::default(), clock, random).unwrap()
}

/// I16: the file is whole.
pub fn assert_sound(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let verdict: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok", "{}", path.display());
}

fn record(view: &TaskView, events: &[Event]) -> Record {
    let result = view.result.as_ref().map(|json| serde_json::from_str(json.get()).unwrap());
    Record {
        id: view.id,
        state: view.state,
        counters: (view.attempts, view.losses, view.interruptions),
        events: events.iter().map(|event| (event.cause, event.attempts)).collect::<Vec<(Cause, u16)>>(),
        result,
    }
}
