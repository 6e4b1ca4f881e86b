//! The server: a backend that others reach through links.

mod answer;
mod dealer;
mod dealt;
mod gate;
mod listen;
mod presence;
mod session;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use skep_queue::{Backend, Clock, Random, Timestamp};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use listen::{Address, Listener};

use dealer::Dealer;
use gate::Gate;
use presence::Presence;
use session::Session;

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
}

impl Default for Config {
    fn default() -> Self {
        Self { heartbeat: HEARTBEAT, reannounce: None }
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
    #[expect(dead_code, reason = "chance for what needs it")]
    random: Arc<dyn Random>,
    started_at: Timestamp,
    dealer: Dealer,
    presence: Presence,
    gate: Gate,
    begun: AtomicBool,
    tasks: TaskTracker,
}

impl Server {
    /// A server of this backend; nobody reaches it before it [serves](Server::serve).
    pub fn new(
        backend: Arc<dyn Backend>,
        config: Config,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Arc<Self> {
        let started_at = clock.now();
        let dealer = Dealer::new(Arc::clone(&clock));
        let presence = Presence::new(config.heartbeat, Arc::clone(&clock));
        Arc::new(Self {
            backend,
            config,
            clock,
            random,
            started_at,
            dealer,
            presence,
            gate: Gate::new(),
            begun: AtomicBool::new(false),
            tasks: TaskTracker::new(),
        })
    }

    /// Takes connections until told to stop, then ends those there are. One call for each listener.
    pub async fn serve(self: Arc<Self>, listener: Listener, stop: CancellationToken) {
        if !self.begun.swap(true, Relaxed) {
            self.begin(&stop);
        }
        while let Some(pipe) = listener.accept(&stop).await {
            let session = Session::new(Arc::clone(&self), stop.child_token());
            self.tasks.spawn(session.run(pipe));
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}
