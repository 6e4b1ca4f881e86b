//! The server: a backend that others reach through links.

mod admission;
mod answer;
mod callers;
mod calls;
mod listen;
mod passage;
mod question;
mod session;
mod status;

use std::{
    collections::BTreeMap,
    sync::{Arc, Once},
    time::Duration,
};

use skep_queue::{Backend, Clock, QueueName, Random, Timestamp};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use admission::bound::{Bound, BoundError, DEFAULT_CAPACITY, Limits, Promote, PromoteError, RETENTION};
pub use listen::{Address, Listener};

use admission::Admission;
use callers::Callers;
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
    clock: Arc<dyn Clock>,
    #[expect(dead_code, reason = "chance for what needs it")]
    random: Arc<dyn Random>,
    started_at: Timestamp,
    tasks: TaskTracker,
    /// One token for each link.
    links: TaskTracker,
    callers: Arc<Callers>,
    admission: Arc<Admission>,
    begun: Once,
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
        let callers = Callers::new(Arc::clone(&clock));
        let admission = Admission::new(
            Arc::clone(&backend),
            Arc::clone(&clock),
            Arc::new(passage::Unmeasured),
            config.clone(),
        );
        Arc::new(Self {
            backend,
            config,
            clock,
            random,
            started_at,
            tasks: TaskTracker::new(),
            links: TaskTracker::new(),
            callers,
            admission,
            begun: Once::new(),
        })
    }

    /// Takes connections until told to stop, then ends those there are. One call for each listener.
    pub async fn serve(self: Arc<Self>, listener: Listener, stop: CancellationToken) {
        self.begun.call_once(|| self.begin(&stop));
        while let Some(pipe) = listener.accept(&stop).await {
            let session = Session::new(Arc::clone(&self), stop.child_token());
            self.tasks.spawn(self.links.track_future(session.run(pipe)));
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// What goes on beside the links.
    fn begin(self: &Arc<Self>, stop: &CancellationToken) {
        let (callers, backend) = (Arc::clone(&self.callers), Arc::clone(&self.backend));
        self.tasks.spawn(callers.watch(backend, stop.clone()));
        self.tasks.spawn(Arc::clone(&self.admission).run(stop.clone()));
    }
}
