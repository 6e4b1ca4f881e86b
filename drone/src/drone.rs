//! The drone: wiring, and the order of starting and stopping. The only file that knows all steps.

use std::{sync::Arc, time::Duration};

use skep_queue::{
    Backend, Clock, DroneFacts, Incarnation, Observed, QueueName, Random, TaskType, observed::Counts,
};
use tokio_util::sync::CancellationToken;

use crate::{
    beat::BeatStep,
    builder::Builder,
    dispatch::{Dispatch, Verdicts},
    empty::until_empty,
    fatal::Fatal,
    local::{self, Former, Leftover, Local},
    notes::Notes,
    policy::{self, Decision},
    progress::ProgressStep,
    pump::PumpStep,
    settle::Settle,
    source::{Link, Source},
    spec::Specs,
    spool::{Key, Spool, deliver::Delivery, step::SpoolStep},
    step::Step,
    worker::{
        Stop, Worker,
        leftovers::{self, Keeper},
    },
};

/// How long work that was on file at the start waits for the queues' word on it.
const ASKED: Duration = Duration::from_secs(2);

/// A drone, ready to run.
pub struct Drone {
    pub(crate) name: String,
    pub(crate) queues: Vec<(String, QueueName, Arc<dyn Backend>)>,
    /// The same backends, as the steps see them.
    pub(crate) observed: Vec<Arc<Observed<dyn Backend>>>,
    pub(crate) spools: Vec<(String, Spool, Key)>,
    pub(crate) local: local::Config,
    pub(crate) workers: Vec<(Arc<dyn Worker>, Vec<TaskType>)>,
    pub(crate) specs: Specs,
    pub(crate) life: Life,
    pub(crate) incarnation: Incarnation,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

/// The times of a drone's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// How long the queue waits for a silent drone; default 60 s.
    pub ttl: Duration,
    /// How often it beats; default 10 s.
    pub beat: Duration,
    /// How long a drain waits for what runs; default 30 s.
    pub grace: Duration,
    /// How long, after that, it waits for interrupted work to end and for the queue to take the outcomes;
    /// default 10 s.
    pub parting: Duration,
    /// Leave when nothing is left to do for this drone's types.
    pub until_empty: bool,
}

/// How to stop a drone: ask, then insist.
#[derive(Debug, Clone, Default)]
pub struct Stopper {
    drain: CancellationToken,
    now: CancellationToken,
}

/// What a drone left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Tasks whose outcomes the queue has not taken; they are on file, and reported at the next start.
    pub unreported: usize,
    /// Runs that were cut short.
    pub interrupted: usize,
}

/// Why a drone could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The local queue cannot be used.
    #[error(transparent)]
    Local(#[from] skep_sqlite::Error),
    /// The drone was put together wrongly.
    #[error("{0}")]
    Config(String),
    /// Something is damaged: a person must look.
    #[error("{0}")]
    Fatal(String),
}

impl Default for Life {
    fn default() -> Self {
        Self {
            ttl: skep_queue::beat::DEFAULT_TTL,
            beat: skep_queue::beat::DEFAULT_BEAT,
            grace: Duration::from_secs(30),
            parting: Duration::from_secs(10),
            until_empty: false,
        }
    }
}

impl Stopper {
    /// Asks the drone to drain. Asked a second time, it does not wait for what runs.
    pub fn stop(&self) {
        if self.drain.is_cancelled() {
            self.now.cancel();
        }
        self.drain.cancel();
    }
}

/// The parts of a running drone.
struct Running {
    local: Local,
    sources: Vec<Source>,
    workers: Vec<Arc<dyn Worker>>,
    fatal: Fatal,
    _keeper: Option<Keeper>,
    /// One stop a step, from the top of the task's journey to its end.
    pumps: Step,
    spools: Step,
    dispatch: Step,
    progress: Step,
    settle: Step,
    beat: Step,
    writer: Step,
}

impl Drone {
    /// Begins to describe a drone.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What each queue is asked, counted: by the queue's label.
    #[must_use]
    pub fn counts(&self) -> Vec<(String, Arc<Counts>)> {
        let labels = self.queues.iter().map(|(label, ..)| label.clone());
        labels.zip(self.observed.iter().map(|queue| queue.counts())).collect()
    }

    /// Runs until `stopper` says so, or an order to drain comes, or nothing is left (`until_empty`).
    ///
    /// # Errors
    /// When the local queue cannot be opened, or the queue is found damaged.
    pub async fn run(self, stopper: Stopper) -> Result<Report, Error> {
        let life = self.life;
        let (running, empty) = self.start(&stopper).await?;
        tokio::select! {
            () = stopper.drain.cancelled() => tracing::info!("draining"),
            () = running.fatal.token.cancelled() => {}
            () = empty => tracing::info!("nothing is left to do"),
        }
        let (fatal, report) = (running.fatal.clone(), running.stop(life, &stopper).await);
        match fatal.why() {
            Some(why) => Err(Error::Fatal(why.clone())),
            None => Ok(report),
        }
    }

    async fn start(self, stopper: &Stopper) -> Result<(Running, impl Future<Output = ()> + use<>), Error> {
        let labels: Vec<String> = self.queues.iter().map(|(label, ..)| label.clone()).collect();
        let specs = Arc::new(self.specs.clone());
        let drone = self.incarnation;
        let fatal = Fatal::default();
        let world = (Arc::clone(&self.clock), fatal.clone());
        let (local, former) =
            Local::open(self.local.clone(), Arc::clone(&specs), &labels, drone, world).await?;
        let keeper = self.contain(&former);
        let sources: Vec<Source> = self.sources(&local, drone, &fatal);
        let empty = until_empty(self.life, self.queues.clone(), specs.types(), local.clone());
        let running = Running {
            local,
            sources,
            workers: self.workers.iter().map(|(worker, _)| Arc::clone(worker)).collect(),
            fatal,
            _keeper: keeper,
            pumps: Step::default(),
            spools: Step::default(),
            dispatch: Step::default(),
            progress: Step::default(),
            settle: Step::default(),
            beat: Step::default(),
            writer: Step::default(),
        };
        running.writer.spawn(|stop| running.local.clone().run_writer(stop));
        let dead = former.incarnation.as_deref().and_then(|incarnation| incarnation.parse().ok());
        self.reckon(&running.local, &specs, former.running);
        tracing::info!(name = self.name, incarnation = %drone, types = ?specs.types(), "drone started");
        self.spawn_steps(&running, &specs, dead, stopper);
        Ok((running, empty))
    }

    /// Ends processes that the former incarnation left, and sees to it that none of this one's outlives it.
    fn contain(&self, former: &Former) -> Option<Keeper> {
        if let Some(incarnation) = &former.incarnation {
            let killed = leftovers::kill_leftovers(incarnation);
            if killed > 0 {
                tracing::warn!(killed, "ended processes that the former drone left");
            }
        }
        if self.workers.iter().all(|(worker, _)| worker.in_process()) {
            return None;
        }
        let keeper = Keeper::start(&self.incarnation.to_string());
        keeper
            .inspect_err(
                |error| tracing::warn!(%error, "no keeper: kill -9 of the drone may leave processes"),
            )
            .ok()
    }

    fn sources(&self, local: &Local, drone: Incarnation, fatal: &Fatal) -> Vec<Source> {
        let mut sources = Vec::with_capacity(self.queues.len());
        for (index, ((label, name, _), queue)) in self.queues.iter().zip(&self.observed).enumerate() {
            let queue: Arc<Observed<dyn Backend>> = Arc::clone(queue);
            let link = Arc::new(Link::new(local.clone(), Arc::clone(&self.random), fatal.clone()));
            let (label, name, drone) = (label.clone(), name.clone(), drone.towards(label));
            sources.push(Source { index, label, name, queue, drone, link });
        }
        sources
    }

    /// Decides on what the former incarnation was running when it died.
    fn reckon(&self, local: &Local, specs: &Specs, leftovers: Vec<Leftover>) {
        for Leftover { task, in_process } in leftovers {
            let fallback = policy::Policy::default();
            let policy = specs.get(&task.task_type).map_or(&fallback, |spec| &spec.policy);
            let outcome = policy::crashed(&task, in_process, policy, self.random.fraction());
            tracing::warn!(task = %task.id, task_type = %task.task_type, attempt = task.attempt,
                "was running when the drone died");
            local.finish(&task, Decision::End(outcome));
        }
    }

    fn spawn_steps(
        self,
        running: &Running,
        specs: &Arc<Specs>,
        former: Option<Incarnation>,
        stopper: &Stopper,
    ) {
        let (local, random) = (&running.local, &self.random);
        let facts = self.facts(specs);
        let notes: Vec<Arc<Notes>> = running.sources.iter().map(|_| Arc::default()).collect();
        for source in &running.sources {
            let beat = BeatStep {
                source: source.clone(),
                local: local.clone(),
                specs: Arc::clone(specs),
                workers: running.workers.clone(),
                clock: Arc::clone(&self.clock),
                facts: facts.clone(),
                ttl: self.life.ttl,
                every: self.life.beat,
                former: former.map(|former| former.towards(&source.label)),
                recovered: local.state().claims(source.index),
                drain: stopper.drain.clone(),
            };
            running.beat.spawn(|stop| beat.run(stop));
            let progress = ProgressStep { source: source.clone(), notes: Arc::clone(&notes[source.index]) };
            running.progress.spawn(|stop| progress.run(stop));
            let settle = Settle { source: source.clone(), local: local.clone() };
            running.settle.spawn(|stop| settle.run(stop));
            let (source, local, specs) = (source.clone(), local.clone(), Arc::clone(specs));
            let pump = PumpStep { source, local, specs, random: Arc::clone(random) };
            running.pumps.spawn(|stop| pump.run(stop));
        }
        self.spawn_spools(running);
        let (specs, random) = (Arc::clone(specs), Arc::clone(random));
        let verdicts = Arc::new(Verdicts { local: local.clone(), specs, random, notes });
        let links: Vec<_> = running.sources.iter().map(|source| Arc::clone(&source.link)).collect();
        for (worker, types) in self.workers {
            let dispatch = Dispatch { worker, types, local: local.clone(), verdicts: Arc::clone(&verdicts) };
            let asked = asked(links.clone(), local.state().is_empty());
            running.dispatch.spawn(|stop| async move {
                let _ = stop.run_until_cancelled(asked).await;
                dispatch.run(stop).await;
            });
        }
    }

    fn spawn_spools(&self, running: &Running) {
        for (label, spool, key) in &self.spools {
            let Some(source) = running.sources.iter().find(|source| source.label == *label) else { continue };
            let queue = Arc::clone(&source.queue);
            let delivery = Delivery { spool: spool.clone(), key: key.clone(), queue };
            let step = SpoolStep { source: source.clone(), delivery, random: Arc::clone(&self.random) };
            running.spools.spawn(|stop| step.run(stop));
        }
    }

    fn facts(&self, specs: &Specs) -> DroneFacts {
        DroneFacts {
            name: self.name.clone(),
            host: hostname::get().map(|host| host.to_string_lossy().into_owned()).unwrap_or_default(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.clock.now(),
            types: specs.types(),
            hands: self.workers.iter().map(|(worker, _)| worker.hands()).sum(),
            ..DroneFacts::default()
        }
    }
}

/// Returns when every queue was asked what is left of the claims on file, so that nothing runs that was settled
/// before a power cut; at once when there are none. A queue that cannot be reached, or takes long, is no reason to
/// wait.
async fn asked(links: Vec<Arc<Link>>, nothing: bool) {
    let all = async {
        for link in &links {
            link.asked.cancelled().await;
        }
    };
    if !nothing {
        let _ = tokio::time::timeout(ASKED, all).await;
    }
}

impl Running {
    /// Upstream first: nothing new comes in, then nothing new starts, then what runs ends, then it is told.
    async fn stop(self, life: Life, stopper: &Stopper) -> Report {
        self.spools.end_within(life.parting).await;
        self.pumps.end().await;
        self.dispatch.end().await;
        self.local.hand_back(Duration::ZERO);
        let grace = async {
            tokio::select! {
                () = tokio::time::sleep(life.grace) => {}
                () = stopper.now.cancelled() => {}
            }
        };
        let interrupted = self.quiet(grace).await;
        if interrupted > 0 {
            tracing::warn!(interrupted, "interrupting what still runs");
            self.local.stop_all(Stop::Drained);
            self.quiet(tokio::time::sleep(life.parting)).await;
        }
        for worker in &self.workers {
            worker.stop().await;
        }
        // Told as far as the queue can be reached: what is left is on file.
        tokio::join!(self.progress.end_within(life.parting), self.settle.end_within(life.parting));
        self.beat.end_within(life.parting).await;
        self.writer.end().await;
        let unreported = self.local.state().counts().outbox;
        drop((
            self.spools,
            self.pumps,
            self.dispatch,
            self.progress,
            self.settle,
            self.beat,
            self.writer,
            self.sources,
        ));
        // A handler that never awaits still holds the file; the process ends all the same.
        let _ = tokio::time::timeout(life.parting, self.local.close()).await;
        Report { unreported, interrupted }
    }

    /// Waits until nothing runs, or `limit` ends; answers how much still runs.
    async fn quiet(&self, limit: impl Future<Output = ()>) -> usize {
        tokio::pin!(limit);
        loop {
            let ended = self.local.looks().room.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            let running = self.local.state().counts().running;
            if running == 0 {
                return 0;
            }
            tokio::select! {
                () = ended => {}
                () = &mut limit => return self.local.state().counts().running,
            }
        }
    }
}
