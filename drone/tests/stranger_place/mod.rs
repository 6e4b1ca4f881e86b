//! A folder in which a stranger tries the `skep` binary.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses some of it")]

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// What a Python worker begins with: `runs()` are the tasks, `done` and `tell` answer.
pub const PYTHON: &str = r#"
import json, os, sys, time
out = os.fdopen(3, "w")
def tell(**message):
    print(json.dumps(message), file=out, flush=True)
def done(m, result=None, **more):
    tell(op="done", id=m["id"], result=result, **more)
def note(text):
    with open("journal", "a") as journal: journal.write(text + "\n")
def runs():
    tell(op="hello", proto=1, concurrency=1, pid=os.getpid(), lang="python")
    for line in sys.stdin:
        m = json.loads(line)
        if m["op"] == "stop": return
        if m["op"] == "run": yield m
"#;

/// An empty folder.
pub struct Place(TempDir);

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub talk: String,
}

/// A drone in the background; killed when it is dropped.
pub struct Running(Option<Child>);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a configuration, and a Python worker `w.py`.
    pub fn with(config: &str, python: &str) -> Self {
        let place = Self::new();
        place.write("skep.toml", config);
        place.write("w.py", format!("{PYTHON}{python}"));
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    /// A file's text; empty when there is none yet.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SKEP_")) {
            command.env_remove(name);
        }
        command.env("SKEP_SPOOL", self.path("spool.db"));
        command.args(words).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    pub fn skep(&self, words: &[&str]) -> Said {
        Said::of(self.command(words).output().unwrap())
    }

    /// Runs what must work, and answers its data.
    #[track_caller]
    pub fn ok(&self, words: &[&str]) -> String {
        let said = self.skep(words);
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        said.out.trim_end().to_owned()
    }

    /// Runs what must end with a code, and answers its talk.
    #[track_caller]
    pub fn fails(&self, words: &[&str], code: i32) -> String {
        let said = self.skep(words);
        assert_eq!(said.code, Some(code), "{words:?}: {said:?}");
        said.talk
    }

    /// Its data with `--json`, line by line.
    #[track_caller]
    pub fn json(&self, words: &[&str]) -> Vec<Value> {
        let out = self.ok(&[words, &["--json"]].concat());
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    pub fn task(&self, id: &str) -> Value {
        self.json(&["task", "show", id]).remove(0)
    }

    /// Starts `skep drone run` with these words; its log goes to a file of that name.
    pub fn drone(&self, log: &str, words: &[&str]) -> Running {
        let file = fs::File::create(self.path(log)).unwrap();
        let mut command = self.command(&[&["drone", "run"], words].concat());
        Running(Some(command.stdout(Stdio::null()).stderr(file).spawn().unwrap()))
    }

    /// Returns once it holds; fails after 30 s.
    #[track_caller]
    pub fn wait_for(&self, what: &str, mut holds: impl FnMut() -> bool) {
        for _ in 0..1500 {
            if holds() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("waited in vain for {what}: {:?}", self.skep(&["task", "list"]));
    }

    /// Waits until the queue knows a drone that is alive.
    #[track_caller]
    pub fn wait_for_drones(&self, n: usize) {
        self.wait_for("drones", || self.skep(&["drone", "list", "-q"]).out.lines().count() == n);
    }

    #[track_caller]
    pub fn wait_for_state(&self, id: &str, state: &str) {
        self.wait_for(&format!("{id} to be {state}"), || self.task(id)["state"] == state);
    }
}

impl Said {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), talk: text(output.stderr) }
    }
}

impl Running {
    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    pub fn signal(&mut self, signal: Signal) {
        kill_process(Pid::from_child(self.child()), signal).unwrap();
    }

    /// Waits for its end.
    pub fn code(&mut self) -> Option<i32> {
        self.child().wait().unwrap().code()
    }

    /// Asks it to drain, and waits for its end.
    pub fn drain(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.code()
    }

    /// As a power cut does, but for the disk.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        self.code();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
