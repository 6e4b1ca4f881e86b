//! The verbs: what may be asked, and what is answered.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use skep_queue::{
    Beat, Block, Cause, Claimed, Error, Incarnation, Orders, Progress, Pump, QueueName, Settled, Settlement,
    Submission, Submitted, TaskId, TaskType,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, State},
};

use super::view::{Detail, Status, View};

/// The first message of a link, from whoever connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// What it speaks, the most wanted first.
    pub versions: Vec<u16>,
    /// What it is, for people: `skep 0.1.0`.
    pub software: String,
}

/// The answer to [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Which version is spoken from now on.
    pub version: u16,
    /// What answers, for people.
    pub software: String,
    /// How often each side says something, at least; who is silent for three times as long is gone.
    pub heartbeat: Duration,
}

/// What may be asked. Each is answered once, under the id of its message, but for `Forget`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are those of the calls of the same name")]
pub enum Request {
    /// First of all.
    Hello(Hello),
    /// Says that one lives.
    Ping,
    /// [`Queue::submit`](skep_queue::Queue::submit).
    Submit(Submission),
    /// [`Queue::pump`](skep_queue::Queue::pump).
    Pump(Pump),
    /// [`Queue::settle`](skep_queue::Queue::settle).
    Settle { settlements: Vec<Settlement> },
    /// [`Queue::beat`](skep_queue::Queue::beat).
    Beat(Beat),
    /// [`Queue::arrival`](skep_queue::Queue::arrival): answered when there may be something. A drone that waits
    /// is known by its last `Beat` or `Pump` on this link.
    Arrival { types: Vec<TaskType> },
    /// [`Queue::progress`](skep_queue::Queue::progress).
    Progress { notes: Vec<Progress> },
    /// Submits a block of one and waits for its end, with notes on the way.
    Call { block: Block, wait: Duration },
    /// Waits for the end of a task, with notes on the way.
    Collect { id: TaskId, wait: Duration },
    /// The answer to this message is of no interest any more. Not answered.
    Forget { id: u32 },
    /// How the manager does.
    Status,
    /// [`Admin::queues`](skep_queue::Admin::queues).
    Queues,
    /// [`Admin::find`](skep_queue::Admin::find).
    Find(Filter),
    /// [`Admin::task`](skep_queue::Admin::task).
    Task { id: TaskId },
    /// [`Admin::act`](skep_queue::Admin::act).
    Act { act: Act, ids: Vec<TaskId> },
    /// [`Admin::set`](skep_queue::Admin::set).
    Set { queue: QueueName, task_type: Option<TaskType>, setting: Setting },
    /// [`Admin::drones`](skep_queue::Admin::drones).
    Drones,
    /// [`Admin::drain`](skep_queue::Admin::drain).
    Drain { drone: Incarnation },
    /// [`Admin::rescue`](skep_queue::Admin::rescue).
    Rescue { drone: Incarnation },
}

/// What is answered when it went well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is what the call of its request answers")]
pub enum Answer {
    Welcome(Welcome),
    /// It is done, and there is nothing to say.
    Done,
    Submitted(Vec<Submitted>),
    Claimed(Vec<Claimed>),
    Settled(Vec<Settled>),
    Orders(Orders),
    Called {
        submitted: Submitted,
        end: End,
    },
    Collected(End),
    Status(Box<Status>),
    Queues(Vec<QueueView>),
    Found(Vec<View>),
    Task(Option<Detail>),
    Acted(Vec<Acted>),
    Drones(Vec<DroneView>),
    /// Whether there was one.
    Known(bool),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "made to be written at once")]
pub enum Reply {
    /// It went well.
    Ok(Answer),
    /// It did not.
    Error(Error),
}

/// What became of a task that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It has ended.
    Over {
        /// How.
        state: State,
        /// JSON text, when it left one.
        #[serde(default)]
        result: Option<Bytes>,
        /// The last thing that went wrong.
        #[serde(default)]
        error: Option<String>,
        /// Why, when it did not end well and that is known.
        #[serde(default)]
        cause: Option<Cause>,
    },
    /// Not within the time.
    Waiting,
    /// No such task is kept.
    NotKept,
}

/// What is said of a running task on the way to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Which task.
    pub task: TaskId,
    /// How far it is.
    #[serde(default)]
    pub n: Option<f64>,
    /// Of how much.
    #[serde(default)]
    pub of: Option<f64>,
    /// In words.
    #[serde(default)]
    pub note: Option<String>,
    /// A part of the result, JSON text.
    #[serde(default)]
    pub data: Option<Bytes>,
}

impl Request {
    /// Whether it waits for something that may take for ever, and may be forgotten.
    #[must_use]
    pub const fn waits(&self) -> bool {
        matches!(self, Self::Arrival { .. } | Self::Call { .. } | Self::Collect { .. })
    }
}

impl From<Progress> for Note {
    fn from(progress: Progress) -> Self {
        let Progress { task, n, of, note, data, .. } = progress;
        Self { task, n, of, note, data }
    }
}

impl From<Result<Answer, Error>> for Reply {
    fn from(answer: Result<Answer, Error>) -> Self {
        match answer {
            Ok(answer) => Self::Ok(answer),
            Err(error) => Self::Error(error),
        }
    }
}
