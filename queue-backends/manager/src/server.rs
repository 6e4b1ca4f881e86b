//! The server: a backend that others reach through links.

mod answer;
mod listen;
mod session;

use std::{sync::Arc, time::Duration};

use skep_queue::{Backend, Clock, Random, Timestamp};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use listen::{Address, Listener};

use session::Session;

/// How often each side of a link says something, at least.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// How a manager behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// How often each side of a link says something, at least; 15 s. Who is silent for three times as long is
    /// gone.
    pub heartbeat: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { heartbeat: HEARTBEAT }
    }
}

/// A queue for others.
pub struct Server {
    backend: Arc<dyn Backend>,
    config: Config,
    #[expect(dead_code, reason = "time for what needs it")]
    clock: Arc<dyn Clock>,
    #[expect(dead_code, reason = "chance for what needs it")]
    random: Arc<dyn Random>,
    started_at: Timestamp,
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
        Arc::new(Self { backend, config, clock, random, started_at, tasks: TaskTracker::new() })
    }

    /// Takes connections until told to stop, then ends those there are. One call for each listener.
    pub async fn serve(self: Arc<Self>, listener: Listener, stop: CancellationToken) {
        while let Some(pipe) = listener.accept(&stop).await {
            let session = Session::new(Arc::clone(&self), stop.child_token());
            self.tasks.spawn(session.run(pipe));
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}
