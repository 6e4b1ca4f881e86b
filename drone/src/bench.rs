//! `skep bench`: measures a backend on this machine, through the same library that everybody uses. Nothing
//! is asserted about time; what is asserted is that every task ran, once.

mod call;
mod flood;
mod latency;
mod list;
mod load;
mod server;
mod turns;
mod watched;

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde::Serialize;
use skep_queue::{Backend, Clock, Error, Meter, QueueName, Random, TaskType, admin::Setting, meter::Reading};

use crate::backend::{Opening, manager::Manager};

pub use flood::Stretch;
pub use load::Load;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// One fsync after the other on the same disk: the yardstick.
    Fsync,
    /// What a drone costs that has nothing to do; first, while this process is as small as a drone's.
    Idle,
    /// Tasks submitted one by one, each durable before the next; with `--clients`, over so many connections.
    Submit,
    /// Tasks submitted in bulk, in calls of 8,192.
    SubmitMany,
    /// A backlog that came in bulk, run by a whole drone with its local queue.
    Drain,
    /// A backlog that came one by one, run by a whole drone.
    DrainSingle,
    /// The same from a list in memory instead of a backend: what the drone itself costs.
    Alone,
    /// From submit to start, one at a time, on an idle drone.
    Latency,
    /// From the call to its result, one at a time, through an idle drone.
    Call,
    /// Clients that offer up to three times what a drone can do, within a capacity.
    Flood,
    /// `pgbench -N` on the same server: the yardstick of a queue on PostgreSQL.
    Pgbench,
    /// Claiming and settling at a backlog of a million against one of ten thousand.
    Backlog,
    /// What a claim costs the server under a snapshot that is 100,000 tasks old, against a fresh queue.
    Snapshot,
    /// Submitting and draining within a capacity, against without.
    Capacity,
}

/// How it is measured.
#[derive(Debug, Clone)]
pub struct Config {
    /// Tasks of a bulk workload.
    pub tasks: usize,
    /// Bytes of a payload; at least 24.
    pub payload: usize,
    /// Hands of the drone.
    pub hands: usize,
    /// How long terminal tasks are kept.
    pub retention: Duration,
    /// Connections of `submit` and `flood`; each has its own number when absent.
    pub clients: Option<usize>,
    /// The capacity of `flood`.
    pub capacity: Option<u64>,
    /// How long each load of `flood` lasts.
    pub time: Duration,
    /// Where the drone's local file lies, and the yardstick's.
    pub folder: PathBuf,
}

/// One line of the answer. The keys are a contract.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub workload: String,
    /// On what.
    pub backend: String,
    /// How many.
    pub tasks: usize,
    /// In how long.
    pub seconds: f64,
    /// Tasks a second.
    pub rate: f64,
    /// What the workload adds.
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// What opens the backend; with nothing connected yet, where there is something to connect.
pub type Open = Box<dyn Fn() -> Opening + Send + Sync>;

/// What makes a link of its own to a manager, if it is one that is measured.
pub type Calls = Box<dyn Fn() -> Result<Option<Arc<Manager>>, String> + Send + Sync>;

/// A backend under measurement.
pub struct Bench {
    pub(crate) label: String,
    pub(crate) backend: Arc<dyn Backend>,
    open: Open,
    meter: Option<Arc<dyn Meter>>,
    /// A manager's own way to call, where there is one.
    calls: Calls,
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Bench {
    /// A bench on a backend; it uses a queue named `bench` there.
    ///
    /// # Errors
    /// When the backend does not open; in words.
    pub async fn new(
        label: String,
        open: Open,
        meter: Option<Arc<dyn Meter>>,
        config: Config,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, String> {
        let backend = open().await?;
        Ok(Self { label, backend, open, meter, calls: Box::new(|| Ok(None)), config, clock, random })
    }

    /// With a manager's own way to call.
    #[must_use]
    pub fn calls(mut self, calls: Calls) -> Self {
        self.calls = calls;
        self
    }

    /// Measures.
    ///
    /// # Errors
    /// When the backend fails, or a task was lost or ran twice.
    pub async fn run(&mut self, workload: Workload) -> Result<Figure, Error> {
        self.backend.set(queue(), None, Setting::Retention(self.config.retention)).await?;
        self.backend.set(queue(), None, Setting::Capacity(None)).await?;
        let before = self.read().await?;
        let figure = self.measure(workload).await?;
        let spent = self.read().await?.zip(before).map(|(now, before)| now.since(before));
        self.empty().await?;
        Ok(match spent {
            Some(spent) if !workload.is_its_own_measure() => figure.spent(spent),
            _ => figure,
        })
    }

    async fn measure(&self, workload: Workload) -> Result<Figure, Error> {
        match workload {
            Workload::Fsync => self.fsync(),
            Workload::Submit => self.submit_single().await,
            Workload::SubmitMany => self.submit_many().await,
            Workload::Drain => self.drain("drain", false).await,
            Workload::DrainSingle => self.drain("drain-single", true).await,
            Workload::Alone => self.alone().await,
            Workload::Latency => self.latency().await,
            Workload::Call => self.call().await,
            Workload::Flood => self.flood().await,
            Workload::Idle => self.idle().await,
            Workload::Pgbench => self.pgbench().await,
            Workload::Backlog => self.backlog().await,
            Workload::Snapshot => self.snapshot().await,
            Workload::Capacity => self.capacity().await,
        }
    }

    /// Reads the meter, if there is one: with the queue's connections closed, so that nothing is missing.
    async fn read(&mut self) -> Result<Option<Reading>, Error> {
        let Some(meter) = self.meter.clone() else { return Ok(None) };
        self.backend = (self.open)().await.map_err(refused)?;
        meter.read().await.map(Some)
    }

    pub(crate) fn figure(&self, workload: &str, tasks: usize, time: Duration) -> Figure {
        let seconds = time.as_secs_f64();
        let rate = tasks as f64 / seconds.max(1e-9);
        let (workload, backend) = (workload.to_owned(), self.label.clone());
        Figure { workload, backend, tasks, seconds, rate, more: serde_json::Map::new() }
    }
}

impl Figure {
    /// With something that the workload adds.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        self.more.insert(key.to_owned(), value.into());
        self
    }
}

impl Workload {
    /// Whether it says itself what it cost, or costs nothing there.
    fn is_its_own_measure(self) -> bool {
        use Workload::{Alone, Backlog, Call, Capacity, Flood, Fsync, Latency, Pgbench, Snapshot};
        matches!(self, Fsync | Alone | Latency | Call | Flood | Pgbench | Backlog | Snapshot | Capacity)
    }

    /// Whether it is about a server, and left out where there is none unless it is named.
    #[must_use]
    pub fn is_of_servers(self) -> bool {
        matches!(self, Self::Pgbench | Self::Backlog | Self::Snapshot | Self::Capacity)
    }
}

pub(crate) fn refused(why: impl std::fmt::Display) -> Error {
    Error::Refused(why.to_string())
}

#[expect(clippy::expect_used, reason = "a constant")]
pub(crate) fn queue() -> QueueName {
    "bench".parse().expect("a name")
}

#[expect(clippy::expect_used, reason = "a constant")]
pub(crate) fn task_type() -> TaskType {
    "noop".parse().expect("a name")
}
