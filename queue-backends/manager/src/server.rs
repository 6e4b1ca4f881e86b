//! The server: a backend that others reach through links.

mod admission;
mod answer;
mod callers;
mod calls;
mod dealer;
mod dealt;
mod door;
mod gate;
mod grant;
mod keys;
mod listen;
mod presence;
mod principal;
mod question;
mod session;
mod status;
mod strangers;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use skep_queue::{Backend, Clock, QueueName, Timestamp};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use admission::bound::{Bound, BoundError, DEFAULT_CAPACITY, Limits, Promote, PromoteError, RETENTION};
pub use listen::{Address, Listener};

use admission::Admission;
use callers::Callers;
use dealer::Dealer;
use gate::Gate;
use grant::Owners;
use presence::Presence;
use strangers::Strangers;

use crate::{key::Grant, link::WRITE};

/// How often each side of a link says something, at least.
pub const HEARTBEAT: Duration = Duration::from_secs(2);
/// The shortest time that drones have to announce themselves after a start, unless told otherwise.
const REANNOUNCE: Duration = Duration::from_secs(5);

/// How a manager behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// How often each side of a link says something, at least; 2 s. A link that is silent for three times as
    /// long has ended, and a drone whose last link has ended for as long as this is gone: what it had is
    /// rescued.
    pub heartbeat: Duration,
    /// How long, after a start, drones that the backend knows have to announce what they hold before anything
    /// is handed out; three heartbeats, at least 5 s, when not given.
    pub reannounce: Option<Duration>,
    /// What the manager is called: a client that dials another name is turned away, so that a key cannot be used
    /// where it was not meant. `skep`.
    pub name: String,
    /// Users of this machine, by their id, who may come through a socket file, and what they may do. The server's
    /// own user and root may everything. Empty.
    pub users: Vec<(u32, Grant)>,
    /// How long a peer may leave unread what is written to it before its link ends; 10 s.
    pub write_timeout: Duration,
    /// What holds for a queue that is not in `queues`: 10,000 tasks, unless the store has a capacity for it
    /// already. It is set before the first task is taken from here.
    pub limits: Limits,
    /// What holds for these queues, in place of what the store has. An operator's word through this manager wins
    /// until it starts again.
    pub queues: BTreeMap<QueueName, Limits>,
}

impl Default for Config {
    fn default() -> Self {
        let limits = Limits { capacity: Some(Bound::default()), ..Limits::default() };
        Self {
            heartbeat: HEARTBEAT,
            reannounce: None,
            name: "skep".into(),
            users: Vec::new(),
            write_timeout: WRITE,
            limits,
            queues: BTreeMap::new(),
        }
    }
}

impl Config {
    fn reannounce(&self) -> Duration {
        self.reannounce.unwrap_or((self.heartbeat * 3).max(REANNOUNCE))
    }
}

/// A queue for others.
pub struct Server {
    backend: Arc<dyn Backend>,
    config: Config,
    clock: Arc<dyn Clock>,
    started_at: Timestamp,
    strangers: Arc<Strangers>,
    owners: Owners,
    admission: Arc<Admission>,
    callers: Arc<Callers>,
    dealer: Arc<Dealer>,
    presence: Presence,
    gate: Gate,
    begun: AtomicBool,
    /// One token for each link.
    links: TaskTracker,
    tasks: TaskTracker,
}

impl Server {
    /// A server of this backend; nobody reaches it before it [serves](Server::serve).
    pub fn new(backend: Arc<dyn Backend>, config: Config, clock: Arc<dyn Clock>) -> Arc<Self> {
        let dealer = Arc::new(Dealer::new(Arc::clone(&clock)));
        Arc::new(Self {
            started_at: clock.now(),
            strangers: Arc::default(),
            owners: Owners::default(),
            admission: Admission::new(&backend, &clock, Arc::clone(&dealer) as _, &config),
            callers: Callers::new(Arc::clone(&clock)),
            dealer,
            presence: Presence::new(config.heartbeat, Arc::clone(&clock)),
            gate: Gate::new(),
            begun: AtomicBool::new(false),
            links: TaskTracker::new(),
            tasks: TaskTracker::new(),
            backend,
            config,
            clock,
        })
    }

    /// Takes connections until told to stop, then ends those there are. One call for each listener.
    pub async fn serve(self: Arc<Self>, listener: Listener, stop: CancellationToken) {
        if !self.begun.swap(true, Relaxed) {
            self.begin(&stop);
        }
        if let Some(keys) = listener.keys() {
            self.tasks.spawn(Arc::clone(keys).watch(stop.clone()));
        }
        while let Some(caller) = listener.accept(&stop).await {
            self.open(caller, &stop);
        }
        drop(listener);
        self.tasks.close();
        self.tasks.wait().await;
    }
}
