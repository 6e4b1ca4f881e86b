//! What a test wants of its drone: handed over as JSON in the environment.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use skep_queue::{Rejection, TaskId};

/// Holds the plan of a test drone.
pub const VARIABLE: &str = "SKEP_TEST_PLAN";

/// A drone to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// The URL of the global queue.
    pub queue: String,
    /// The drone's own file.
    pub local: PathBuf,
    /// Where handlers write down what they do.
    pub journal: PathBuf,
    /// In-process tasks at once.
    pub hands: usize,
    /// Processes for tasks of type `child`.
    pub children: usize,
    /// Tasks held per hand.
    pub prefetch: usize,
    /// See `skep_drone::Life`.
    pub ttl: Duration,
    /// See `skep_drone::Life`.
    pub beat: Duration,
    /// See `skep_drone::Life`.
    pub grace: Duration,
    /// See `skep_drone::Life`.
    pub parting: Duration,
    /// Bytes of ballast beside the local file.
    pub ballast: u64,
    /// One call in so many goes wrong, in each of the ways there are; 0 for none.
    pub faults: u32,
    /// For those.
    pub seed: u64,
}

/// What one task shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Job {
    /// Sleep so long.
    pub millis: u64,
    /// Take the whole drone down.
    pub abort: bool,
    /// Fail for good.
    pub fail: bool,
}

/// What a test drone says on stdout, a line each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// The queue has heard its first beat.
    Ready,
    /// It is cut off from the queue, as it was told.
    Down,
    /// It is not any more.
    Up,
    /// It is about to exit.
    Ended {
        /// Outcomes that the queue has not taken.
        unreported: usize,
        /// Runs that were cut short.
        interrupted: usize,
    },
}

/// A manager to be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// The URL of what it serves.
    pub store: String,
    /// Its socket.
    pub socket: PathBuf,
    /// Where it listens besides, `HOST:PORT`, and the file with the keys of those who may come there.
    pub port: Option<(String, PathBuf)>,
    /// See `skep_manager::server::Config`.
    pub heartbeat: Duration,
}

/// A submitter to be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pusher {
    /// The URL of the queue; of a control, its file.
    pub queue: String,
    /// Where its answers go at its end.
    pub answers: PathBuf,
    /// How long it pushes.
    pub length: Duration,
    /// What it does.
    pub way: Way,
    /// The bound that the control keeps, or would like to.
    pub bound: u64,
    /// Where it writes down what was acknowledged, as that happens.
    pub journal: Option<PathBuf>,
}

/// How a submitter submits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// To skep.
    Queue,
    /// The same, and asks again with the same ids for as long as there is no answer.
    Patient,
    /// The control of the capacity: counts, and then inserts.
    Counting,
    /// The control of the power cuts: inserts, and does not wait for the disk.
    Lazy,
}

/// What a submitter was told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// Tasks that were acknowledged.
    pub accepted: Vec<TaskId>,
    /// Refusals.
    pub rejected: Vec<Rejection>,
}
