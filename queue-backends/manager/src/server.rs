//! The server: a backend that others reach through links.

mod admission;
mod answer;
mod listen;
mod question;
mod session;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use skep_queue::{Backend, Clock, QueueName, Random, Timestamp};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use admission::bound::{Bound, BoundError, DEFAULT_CAPACITY, Limits, Promote, PromoteError, RETENTION};
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
        Self { heartbeat: HEARTBEAT, limits, queues: BTreeMap::new() }
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
