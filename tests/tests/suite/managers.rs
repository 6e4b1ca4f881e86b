//! Managers in processes of their own, between a store and whoever uses it; and who pushes at them.

use std::{
    collections::HashSet,
    fs::OpenOptions,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use skep_manager::{Client, Grant, Ring, Role};
use skep_queue::{TaskId, clock::SystemClock};
use skep_tests::{
    journal::Entry,
    plan::{self, Host, Pusher, Way},
};

use super::{
    capacity,
    scene::Scene,
    wait::{BOUND, eventually, until},
};

/// How the journal's line of a run that begins starts.
const BEGIN: &[u8] = br#"{"what":"begin""#;
/// The heartbeat of a test's managers.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// A manager that may be killed and started again.
pub struct Manager {
    host: Host,
    name: String,
    child: Option<Child>,
}

impl Manager {
    /// One over the store of this URL, on a socket in this folder.
    pub async fn start(folder: &Path, name: &str, store: &str) -> Self {
        let socket = folder.join(format!("{name}.sock"));
        let host = Host { store: store.to_owned(), socket, port: None, heartbeat: HEARTBEAT };
        let mut manager = Self { host, name: name.to_owned(), child: None };
        manager.again().await;
        manager
    }

    /// The same, which listens on the network too. Answers the URL of that.
    pub async fn open(folder: &Path, name: &str, store: &str) -> (Self, String) {
        let (ring, key) = (folder.join(format!("{name}.keys")), folder.join(format!("{name}.key")));
        Ring::add(&ring, "test", Grant::of(Role::Admin), &SystemClock).unwrap().save(&key).unwrap();
        // Nobody else takes it before the manager does, but for bad luck.
        let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let url = format!("skep://{at}/?key={}", key.display());
        let socket = folder.join(format!("{name}.sock"));
        let host = Host { store: store.to_owned(), socket, port: Some((at, ring)), heartbeat: HEARTBEAT };
        let mut manager = Self { host, name: name.to_owned(), child: None };
        manager.again().await;
        (manager, url)
    }

    /// The URL of its socket.
    pub fn url(&self) -> String {
        format!("unix:{}", self.host.socket.display())
    }

    /// A program's way to it.
    pub async fn client(&self) -> Client {
        Client::connect(&self.url()).await.unwrap()
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts it again; returns when it listens.
    pub async fn again(&mut self) {
        let log = self.host.socket.with_file_name(format!("{}.log", self.name));
        let stderr = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_test-manager"));
        command.env(plan::VARIABLE, serde_json::to_string(&self.host).unwrap());
        let child = command.stdin(Stdio::null()).stderr(stderr).spawn().unwrap();
        self.child = Some(child);
        let url = self.url();
        let answers = || async { Client::connect(&url).await.ok() };
        eventually("the manager answers", BOUND, answers).await;
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Submitters that push until they are told to stop, and do not mind an outage.
pub struct Pushers(Vec<Child>);

impl Pushers {
    /// One for each URL.
    pub fn start(scene: &Scene, urls: &[String]) -> Self {
        let start = |(n, url): (usize, &String)| {
            let pusher = Pusher {
                queue: url.clone(),
                answers: scene.path("answers"),
                length: Duration::from_secs(3600),
                way: Way::Patient,
                bound: 0,
                journal: Some(scene.path("journal")),
            };
            let log = std::fs::File::create(scene.path(&format!("pusher-{n}.log"))).unwrap();
            capacity::command(&pusher).stdin(Stdio::null()).stderr(log).spawn().unwrap()
        };
        Self(urls.iter().enumerate().map(start).collect())
    }

    /// Ends them, and returns when nothing is left to do. What they were told was accepted is to be there; what
    /// they were not told of may be. Answers of how many tasks they were told.
    pub async fn stop(mut self, scene: &mut Scene) -> usize {
        for mut pusher in self.0.drain(..) {
            assert!(pusher.try_wait().unwrap().is_none(), "a submitter gave up: see pusher-*.log");
            pusher.kill().unwrap();
            pusher.wait().unwrap();
            scene.killed(pusher.id());
        }
        // By then what was on its way has arrived.
        scene.empty(BOUND * 2).await;
        let there: HashSet<TaskId> = scene.tasks().await.into_iter().map(|view| view.id).collect();
        let (mut told, mut offered) = (HashSet::new(), HashSet::new());
        for entry in scene.entries() {
            match entry {
                Entry::Submitted { task } => drop(told.insert(task)),
                Entry::Offered { task } if there.contains(&task) => drop(offered.insert(task)),
                _ => {}
            }
        }
        scene.acknowledged(told.union(&offered).copied());
        told.len()
    }
}

impl Drop for Pushers {
    fn drop(&mut self) {
        for pusher in &mut self.0 {
            let _ = pusher.kill();
            let _ = pusher.wait();
        }
    }
}

/// Runs begun so far.
pub fn begun(scene: &Scene) -> usize {
    let journal = std::fs::read(scene.path("journal")).unwrap_or_default();
    journal.split(|&byte| byte == b'\n').filter(|line| line.starts_with(BEGIN)).count()
}

/// Waits until so many more have begun than a moment ago.
pub async fn busy(scene: &Scene, more: usize) {
    let before = begun(scene);
    until("the drones are busy", || begun(scene) >= before + more).await;
}
