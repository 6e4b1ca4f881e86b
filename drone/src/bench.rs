//! `skep bench`: measures a backend on this machine, through the same library that everybody uses. Nothing
//! is asserted about time; what is asserted is that every task ran, once.

mod latency;
mod list;
mod load;
mod watched;

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde::Serialize;
use skep_queue::{Backend, Clock, Error, QueueName, Random, TaskType, admin::Setting};

pub use load::Load;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// One fsync after the other on the same disk: the yardstick.
    Fsync,
    /// What a drone costs that has nothing to do; first, while this process is as small as a drone's.
    Idle,
    /// Tasks submitted one by one, each durable before the next.
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

/// A backend under measurement.
pub struct Bench {
    pub(crate) label: String,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Bench {
    /// A bench on a backend; it uses a queue named `bench` there.
    #[must_use]
    pub fn new(
        label: String,
        backend: Arc<dyn Backend>,
        config: Config,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { label, backend, config, clock, random }
    }

    /// Measures.
    ///
    /// # Errors
    /// When the backend fails, or a task was lost or ran twice.
    pub async fn run(&self, workload: Workload) -> Result<Figure, Error> {
        self.backend.set(queue(), None, Setting::Retention(self.config.retention)).await?;
        self.backend.set(queue(), None, Setting::Capacity(None)).await?;
        match workload {
            Workload::Fsync => self.fsync(),
            Workload::Submit => self.submit_single().await,
            Workload::SubmitMany => self.submit_many().await,
            Workload::Drain => self.drain("drain", false).await,
            Workload::DrainSingle => self.drain("drain-single", true).await,
            Workload::Alone => self.alone().await,
            Workload::Latency => self.latency().await,
            Workload::Idle => self.idle().await,
        }
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
