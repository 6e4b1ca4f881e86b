//! A worker under test, its scripts, and a sink that collects verdicts.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use skep_drone::worker::{
    Deps, Headway, Launch, ProcessWorker, Run, Sink, Stop, StopSignal, Task, Verdict, Worker, process,
};
use skep_queue::{
    BlockId, Cause, Failure, TaskId,
    clock::{SystemClock, SystemRandom},
};
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::TaskTracker;

/// How long anything may take.
pub const BOUND: Duration = Duration::from_secs(20);

/// Says in the list that the test command prints what was not tested, and why: a silent skip looks like a pass.
pub fn skipped(what: &str) {
    let line = format!("SKIPPED: {what}");
    eprintln!("{line}");
    if let Some(list) = std::env::var_os("SKEP_SKIPPED") {
        let file = OpenOptions::new().create(true).append(true).open(list);
        file.and_then(|mut file| writeln!(file, "{line}")).unwrap();
    }
}

/// What each Python script begins with.
const PRELUDE: &str = r#"
import json, os, signal, subprocess, sys, time
out = os.fdopen(3, "w")
def tell(**message):
    print(json.dumps(message), file=out, flush=True)
def hello(**more):
    tell(**{"op": "hello", "proto": 1, "pid": os.getpid(), **more})
def lines():
    return map(json.loads, iter(sys.stdin.readline, ""))
def runs():
    for m in lines():
        if m["op"] == "stop": return
        if m["op"] == "run": yield m
def done(m, result=None, **more):
    tell(op="done", id=m["id"], result=result, **more)
"#;

/// A folder for scripts, and where verdicts arrive.
pub struct Bench {
    pub dir: TempDir,
    pub tracker: TaskTracker,
    sink: Arc<Collector>,
    verdicts: mpsc::UnboundedReceiver<Ended>,
}

/// What a sink was told.
#[derive(Debug)]
pub struct Ended {
    pub task: Task,
    pub stop: Option<Stop>,
    pub verdict: Verdict,
}

struct Collector {
    ended: mpsc::UnboundedSender<Ended>,
    headways: Mutex<Vec<(TaskId, Headway)>>,
}

impl Sink for Collector {
    fn finish(&self, task: &Task, stop: Option<Stop>, verdict: Verdict) {
        let task = task.clone();
        let _ = self.ended.send(Ended { task, stop, verdict });
    }

    fn heard(&self, task: &Task, headway: Headway) {
        self.headways.lock().unwrap().push((task.id, headway));
    }
}

impl Bench {
    pub fn new() -> Self {
        let (ended, verdicts) = mpsc::unbounded_channel();
        let dir = tempfile::tempdir().unwrap();
        let sink = Arc::new(Collector { ended, headways: Mutex::default() });
        Self { dir, tracker: TaskTracker::new(), sink, verdicts }
    }

    /// What tasks told of how they get on, since it was last asked.
    pub fn headways(&self) -> Vec<(TaskId, Headway)> {
        std::mem::take(&mut *self.sink.headways.lock().unwrap())
    }

    pub fn deps(&self) -> Deps {
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        Deps { clock, random, tracker: self.tracker.clone(), incarnation: "the-bench".into() }
    }

    /// The command line of a Python script that begins with the prelude.
    pub fn python(&self, body: &str) -> Vec<String> {
        let file = self.dir.path().join(format!("worker-{}.py", BlockId::new(&SystemClock, &SystemRandom)));
        std::fs::write(&file, format!("{PRELUDE}{body}")).unwrap();
        vec![python3(), file.display().to_string()]
    }

    /// One Python process with short graces.
    pub fn config(&self, body: &str) -> process::Config {
        process::Config {
            argv: self.python(body),
            kill_after: Duration::from_millis(300),
            ..process::Config::default()
        }
    }

    pub fn worker(&self, config: process::Config) -> ProcessWorker {
        let worker = ProcessWorker::new(config, Launch::default(), "bench", self.deps());
        worker.begin();
        worker
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts one task once a hand is free; the signal stops it.
    pub async fn start(&self, worker: &dyn Worker, task: Task) -> StopSignal {
        within("a free hand", worker.ready()).await;
        let stop = StopSignal::default();
        worker.start(vec![Run::new(task, stop.clone(), self.sink.clone())]);
        stop
    }

    pub async fn ended(&mut self) -> Ended {
        within("a verdict", self.verdicts.recv()).await.unwrap()
    }

    /// Runs one task to its verdict.
    pub async fn run(&mut self, worker: &dyn Worker, task: Task) -> Verdict {
        self.start(worker, task).await;
        self.ended().await.verdict
    }

    /// Runs one task that must be done, to its result.
    pub async fn result(&mut self, worker: &dyn Worker, task: Task) -> serde_json::Value {
        match self.run(worker, task).await {
            Verdict::Done { result, .. } => {
                serde_json::from_slice(&result.unwrap_or_else(|| "null".into())).unwrap()
            }
            other => panic!("not done: {other:?}"),
        }
    }

    pub fn read_pid(&self, name: &str) -> Option<i32> {
        std::fs::read_to_string(self.path(name)).ok()?.trim().parse().ok()
    }
}

pub fn task(payload: impl Into<Bytes>) -> Task {
    static ORDINAL: AtomicU8 = AtomicU8::new(0);
    let id: TaskId =
        BlockId::new(&SystemClock, &SystemRandom).task(ORDINAL.fetch_add(1, Ordering::Relaxed) % 128);
    Task { attempt: 2, of: 5, fence: 7, ..Task::new(id, "hello".parse().unwrap(), payload.into()) }
}

pub fn task_within(payload: impl Into<Bytes>, millis: u64) -> Task {
    Task { timeout: Some(Duration::from_millis(millis)), ..task(payload) }
}

/// The failure of a verdict that must be one, for this cause.
pub fn failure(verdict: Verdict, cause: Cause) -> Failure {
    match verdict {
        Verdict::Failed { failure, .. } if failure.cause == cause => failure,
        other => panic!("not failed as {cause:?}: {other:?}"),
    }
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(BOUND, future).await.unwrap_or_else(|_| panic!("no {what} within {BOUND:?}"))
}

/// Returns once the condition holds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    within(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Whether the process is there, and not just a zombie.
pub fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).is_some_and(|state| state != 'Z')
}

/// Whether the process is there in any state.
pub fn exists(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// The interpreter itself, not a version manager's shim in front of it.
pub fn python3() -> String {
    static FOUND: OnceLock<String> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let mut command = std::process::Command::new("python3");
            let output = command.args(["-c", "import sys; print(sys.executable)"]).output();
            let output = output.expect("these tests need python3");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        })
        .clone()
}
