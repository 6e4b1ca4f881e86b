//! How a drone is put together, by the daemon from its file and by a program that embeds one.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use skep_queue::{
    Backend, Clock, Incarnation, Observed, QueueName, Random, TaskType,
    clock::{SystemClock, SystemRandom},
};
use tokio_util::task::TaskTracker;

use crate::{
    drone::{Drone, Error, Life},
    local,
    policy::Policy,
    spec::{Spec, Specs},
    spool::{Key, Spool},
    worker::{
        Deps, Worker,
        handler::{Context, HandlerError, HandlerWorker},
    },
};

/// Tasks held per hand: the bound of the pump.
pub const DEFAULT_PREFETCH: usize = 15;

/// Describes a drone. Everything has a default but a queue and a worker.
pub struct Builder {
    name: Option<String>,
    queues: Vec<(String, QueueName, Arc<dyn Backend>)>,
    spools: Vec<(String, Spool, Key)>,
    local: local::Config,
    workers: Vec<(Arc<dyn Worker>, Vec<TaskType>)>,
    specs: HashMap<TaskType, Spec>,
    handlers: Vec<(HandlerWorker, Settings)>,
    life: Life,
    incarnation: Incarnation,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    tracker: TaskTracker,
}

/// What a worker's types have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Retries and limits.
    pub policy: Policy,
    /// How long a run may take; default: as long as it takes.
    pub timeout: Option<Duration>,
    /// Tasks held per hand; default 15.
    pub prefetch: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { policy: Policy::default(), timeout: None, prefetch: DEFAULT_PREFETCH }
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            name: None,
            queues: Vec::new(),
            spools: Vec::new(),
            local: local::Config::default(),
            workers: Vec::new(),
            specs: HashMap::new(),
            handlers: Vec::new(),
            life: Life::default(),
            incarnation: Incarnation::new(&SystemRandom),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            tracker: TaskTracker::new(),
        }
    }
}

impl Builder {
    /// Its name; default: the host's.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Pumps queue `name` of a backend. The label is how the local file remembers it: keep it the same.
    #[must_use]
    pub fn queue(mut self, label: impl Into<String>, name: QueueName, backend: Arc<dyn Backend>) -> Self {
        self.queues.push((label.into(), name, backend));
        self
    }

    /// Delivers what is spooled for the backend at `url`, while the queue with this label answers.
    #[must_use]
    pub fn spool(mut self, label: impl Into<String>, spool: Spool, url: &str) -> Self {
        let (label, key) = (label.into(), Key::of(url));
        // Once a backend, however many of its queues are pumped.
        if !self.spools.iter().any(|(_, other, of)| *of == key && other.path() == spool.path()) {
            self.spools.push((label, spool, key));
        }
        self
    }

    /// Where the local queue lies; default `<name>.local.db` in the working folder.
    #[must_use]
    pub fn local_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.local.path = path.into();
        self
    }

    /// How the local queue is kept.
    #[must_use]
    pub fn local(mut self, config: local::Config) -> Self {
        self.local = config;
        self
    }

    /// The times of its life.
    #[must_use]
    pub fn life(mut self, life: Life) -> Self {
        self.life = life;
        self
    }

    /// Its clock and randomness, for tests.
    #[must_use]
    pub fn world(mut self, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        (self.clock, self.random) = (clock, random);
        self
    }

    /// Runs tasks of a type with an async function, `hands` at a time.
    ///
    /// The payload is parsed as `P`; the value it returns becomes the result. An error is retried as the
    /// policy says, a panic is an error, and [`HandlerError`] says more.
    #[must_use]
    pub fn handler<P, R, E, F, Fut>(
        self,
        task_type: TaskType,
        hands: usize,
        settings: Settings,
        handler: F,
    ) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        E: Into<HandlerError>,
        F: Fn(P, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
    {
        let worker = HandlerWorker::new(hands, self.tracker.clone()).handle(task_type, handler);
        self.handlers(worker, settings)
    }

    /// Runs tasks with a set of handlers that share their hands.
    #[must_use]
    pub fn handlers(mut self, worker: HandlerWorker, settings: Settings) -> Self {
        self.handlers.push((worker, settings));
        self
    }

    /// Runs tasks of some types with any worker.
    #[must_use]
    pub fn worker(mut self, worker: Arc<dyn Worker>, types: Vec<TaskType>, settings: Settings) -> Self {
        for task_type in &types {
            let spec = Spec {
                policy: settings.policy.clone(),
                timeout: settings.timeout,
                bound: 0,
                in_process: worker.in_process(),
            };
            // Several workers may serve one type: their hands add up.
            let spec = self.specs.entry(task_type.clone()).or_insert(spec);
            spec.bound += settings.prefetch.max(1) * worker.hands();
            spec.in_process |= worker.in_process();
        }
        self.workers.push((worker, types));
        self
    }

    /// What workers that start processes take from the drone.
    #[must_use]
    pub fn deps(&self) -> Deps {
        Deps {
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
            tracker: self.tracker.clone(),
            incarnation: self.incarnation.to_string(),
        }
    }

    /// Puts it together.
    ///
    /// # Errors
    /// When there is no queue or no worker.
    pub fn build(mut self) -> Result<Drone, Error> {
        for (worker, settings) in std::mem::take(&mut self.handlers) {
            let types = worker.types();
            self = self.worker(Arc::new(worker), types, settings);
        }
        let lacking = |what: &str| Error::Config(format!("a drone needs {what}"));
        if self.queues.is_empty() {
            return Err(lacking("a queue: add [[queue]] with a url"));
        }
        if self.workers.is_empty() {
            return Err(lacking("a worker: add [workers.NAME] with run.process or run.exec"));
        }
        if let Some((label, ..)) =
            self.spools.iter().find(|(label, ..)| !self.queues.iter().any(|(known, ..)| known == label))
        {
            return Err(Error::Config(format!(
                "a spool is for the queue {label}, which this drone does not pump"
            )));
        }
        let host = || hostname::get().map(|host| host.to_string_lossy().into_owned());
        let name = self.name.unwrap_or_else(|| host().unwrap_or_else(|_| "drone".into()));
        if self.local.path.as_os_str().is_empty() {
            self.local.path = format!("{name}.local.db").into();
        }
        Ok(Drone {
            name,
            observed: self.queues.iter().map(|(_, _, queue)| observed(queue, &self.clock)).collect(),
            queues: self.queues,
            spools: self.spools,
            local: self.local,
            workers: self.workers,
            specs: Specs(self.specs),
            life: self.life,
            incarnation: self.incarnation,
            clock: self.clock,
            random: self.random,
        })
    }
}

fn observed(queue: &Arc<dyn Backend>, clock: &Arc<dyn Clock>) -> Arc<Observed<dyn Backend>> {
    Arc::new(Observed::new(Arc::clone(queue), Arc::clone(clock)))
}
