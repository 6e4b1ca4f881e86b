//! A queue on a PostgreSQL server of its own, which may be stopped, killed and started again.

use std::{
    collections::HashSet,
    fs::File,
    process::{Child, Command, Stdio},
    time::Duration,
};

use skep_pgserver::Server;
use skep_postgres::{Config, operate};
use skep_queue::TaskId;
use skep_tests::{
    check::{History, Verdict},
    journal::Entry,
    plan::{Pusher, Way},
};
use tokio::sync::{Mutex, MutexGuard};

use super::{
    capacity,
    scene::Scene,
    wait::{BOUND, skip, until},
};

const DATABASE: &str = "postgres";
/// How the journal's line of a run that begins starts.
const BEGIN: &[u8] = br#"{"what":"begin""#;
/// What the connections of submitters are called.
const PUSHER: &str = "pusher";
/// One fleet at a time: several servers, each tormented, would measure each other.
static TURN: Mutex<()> = Mutex::const_new(());

/// Drones, submitters, and the server between them.
pub struct Fleet {
    pub scene: Scene,
    pub server: Server,
    pushers: Vec<Child>,
    _turn: MutexGuard<'static, ()>,
}

impl Fleet {
    /// A server with an empty queue, durable as by default; or says why there is none here.
    pub async fn start(test: &str) -> Option<Self> {
        let turn = TURN.lock().await;
        let server = match skep_pgserver::programs() {
            Ok(_) => Server::start(&["max_connections = 200"]).unwrap(),
            Err(why) => {
                skip(test, &why);
                return None;
            }
        };
        let url = server.url(DATABASE);
        operate::up(&Config::new(&url)).await.unwrap();
        let scene = Scene::at(tempfile::tempdir().unwrap(), url).await;
        Some(Self { scene, server, pushers: Vec::new(), _turn: turn })
    }

    /// What the server answers to SQL.
    pub fn sql(&self, sql: &str) -> Result<String, String> {
        self.server.sql(DATABASE, sql)
    }

    /// A number that it answers.
    pub fn number(&self, sql: &str) -> u64 {
        self.sql(sql).unwrap().parse().unwrap()
    }

    /// Makes sessions of somebody who knows nothing of skep but its SQL.
    pub fn psqls(&self) -> impl Fn() -> Command + Send + 'static {
        let (program, url) = (self.server.programs().join("psql"), self.scene.url.clone());
        move || {
            let mut psql = Command::new(&program);
            psql.args(["-X", "-q", "-A", "-t", "-d", &url]);
            psql
        }
    }

    /// Submitters that push until they are told to stop, and do not mind an outage.
    pub fn push(&mut self, pushers: usize) {
        for n in 0..pushers {
            let pusher = Pusher {
                queue: format!("{}&application_name={PUSHER}", self.scene.url),
                answers: self.scene.path("answers"),
                length: Duration::from_secs(3600),
                way: Way::Patient,
                bound: 0,
                journal: Some(self.scene.path("journal")),
            };
            let log = File::create(self.scene.path(&format!("pusher-{n}.log"))).unwrap();
            self.pushers.push(capacity::command(&pusher).stdin(Stdio::null()).stderr(log).spawn().unwrap());
        }
    }

    /// Ends the submitters. What they were told was accepted is to be there; what they were not told of may be.
    pub async fn stop_pushing(&mut self) {
        for mut pusher in self.pushers.drain(..) {
            assert!(pusher.try_wait().unwrap().is_none(), "a submitter gave up: see pusher-*.log");
            pusher.kill().unwrap();
            pusher.wait().unwrap();
            self.scene.killed(pusher.id());
        }
        // What they had sent is done all the same.
        let sessions = format!("select count(*) from pg_stat_activity where application_name = '{PUSHER}'");
        until("the server has done what they asked", || self.number(&sessions) == 0).await;
        let there: HashSet<TaskId> = self.scene.tasks().await.into_iter().map(|view| view.id).collect();
        let mut told = HashSet::new();
        for entry in self.scene.entries() {
            match entry {
                Entry::Submitted { task } => drop(told.insert(task)),
                Entry::Offered { task } if there.contains(&task) => drop(told.insert(task)),
                _ => {}
            }
        }
        self.scene.acknowledged(told);
    }

    /// Starts the server again.
    pub async fn again(&mut self) {
        // Of a postmaster that was killed the last child must have found out.
        until("the server starts again", || self.server.again().is_ok()).await;
    }

    /// Runs begun so far.
    pub fn begun(&self) -> usize {
        // Counted in its bytes: a long journal takes long to understand, and this is asked often.
        let journal = std::fs::read(self.scene.path("journal")).unwrap_or_default();
        journal.split(|&byte| byte == b'\n').filter(|line| line.starts_with(BEGIN)).count()
    }

    /// Waits until so many more have begun than a moment ago.
    pub async fn busy(&self, more: usize) {
        let begun = self.begun();
        until("the drones are busy", || self.begun() >= begun + more).await;
    }

    /// Checks every promise; prints what was counted. I16: the indexes agree with their tables.
    pub async fn check(&self, test: &str) -> (History, Verdict) {
        let history = self.scene.history().await;
        let verdict = history.check();
        eprintln!("{test}: tasks {}, kills {}, {verdict}", history.tasks.len(), history.killed.len());
        assert!(verdict.broken.is_empty(), "{test}: {verdict}");
        assert_eq!((verdict.lost, verdict.unexplained), (0, 0));
        self.assert_sound();
        (history, verdict)
    }

    fn assert_sound(&self) {
        let mut check = Command::new(self.server.programs().join("pg_amcheck"));
        let check = check.arg("--host").arg(self.server.folder()).args(["--username", "postgres"]);
        match check.args(["--install-missing", "--heapallindexed", DATABASE]).output() {
            Ok(output) => {
                let said = [output.stdout, output.stderr].concat();
                assert!(output.status.success(), "I16: {}", String::from_utf8_lossy(&said));
            }
            Err(error) => skip("indexes and tables compared", &format!("pg_amcheck: {error}")),
        }
    }

    /// Waits until all is done and only these drones are known.
    pub async fn drain(&self, names: &[&str]) {
        self.scene.empty(BOUND * 2).await;
        self.scene.only_drones(names).await;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for pusher in &mut self.pushers {
            let _ = pusher.kill();
            let _ = pusher.wait();
        }
    }
}
