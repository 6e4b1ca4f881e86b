//! A drone in a process of its own, with a plan, a log, and an ear on its stdout.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use rustix::process::{Pid, Signal, kill_process};
use skep_tests::{
    backend,
    plan::{self, Plan, Said},
};

use super::wait::{BOUND, eventually, until};

/// A running test drone; killed when dropped.
pub struct Process {
    child: Child,
    said: Arc<Mutex<Vec<Said>>>,
    hearing: Option<JoinHandle<()>>,
    log: PathBuf,
}

impl Process {
    /// Starts one; its log goes beside the journal.
    pub fn start(plan: &Plan) -> Self {
        let log = plan.journal.with_file_name(format!("{}.log", plan.name));
        let stderr = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        Self::start_logging(plan, stderr, log)
    }

    fn start_logging(plan: &Plan, stderr: File, log: PathBuf) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_test-drone"));
        command.env(plan::VARIABLE, serde_json::to_string(plan).unwrap());
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().unwrap();
        let (said, stdout) = (Arc::new(Mutex::new(Vec::new())), child.stdout.take().unwrap());
        let heard = Arc::clone(&said);
        let hearing = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                heard.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, said, hearing: Some(hearing), log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to its log, former incarnations included.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Returns once it has said this.
    pub async fn says(&mut self, what: Said) {
        until(&format!("the drone says {what:?}; its log: {}", self.log.display()), || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the drone ended ({ended:?}):\n{}", tail(&self.log));
            self.said.lock().unwrap().contains(&what)
        })
        .await;
    }

    /// Whether it has said this; what it says at its end is heard when it has ended.
    pub fn said(&mut self, what: &Said) -> bool {
        if let Some(hearing) = self.hearing.take() {
            hearing.join().unwrap();
        }
        self.said.lock().unwrap().contains(what)
    }

    /// Returns once the queue has heard it.
    pub async fn ready(mut self) -> Self {
        self.says(Said::Ready).await;
        self
    }

    /// Cuts it off from the queue, or heals the cut.
    pub async fn cut(&mut self, down: bool) {
        self.said.lock().unwrap().retain(|said| !matches!(said, Said::Down | Said::Up));
        let word = if down { "down\n" } else { "up\n" };
        self.child.stdin.as_mut().unwrap().write_all(word.as_bytes()).unwrap();
        self.says(if down { Said::Down } else { Said::Up }).await;
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Stops it where it stands, as a suspended machine would; of a queue in a file not in the middle of
    /// a commit, where it would hold up every writer for as long.
    pub async fn freeze(&self, queue: &str) {
        let lock = backend::file(queue).map(|file| File::open(file.with_added_extension("lock")).unwrap());
        let frozen = || async {
            self.signal(Signal::STOP);
            until("every thread has stopped", || stopped(self.pid())).await;
            let Some(lock) = &lock else { return Some(()) };
            if lock.try_lock().is_ok() {
                lock.unlock().unwrap();
                return Some(());
            }
            self.signal(Signal::CONT);
            None
        };
        eventually("it is frozen between two commits", BOUND, frozen).await;
    }

    /// Ends it at once; returns when it is gone.
    pub fn kill(mut self) -> u32 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child.id()
    }

    /// Returns how it ended, once it did by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the drone ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    /// Asks it to drain, and returns how it ended.
    pub async fn drained(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether every thread of a process stands still.
fn stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let mut stats = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    stats.all(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
}

/// The last of a log.
pub fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
