//! The control plane: what an operator may see and do. Apart from [`Queue`](crate::Queue), which a drone
//! needs and nothing else.

mod waits;

use std::{fmt, str::FromStr, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Cause, Content, DroneFacts, Incarnation, Priority, QueueName, Result, TaskId, TaskType, Timestamp,
};

pub use waits::Waits;

/// Looks at a queue and steers it.
#[async_trait]
pub trait Admin: Send + Sync + 'static {
    /// Every queue, by name, with its types. A queue, and a type, is there from its first task or setting.
    async fn queues(&self) -> Result<Vec<QueueView>>;
    /// Tasks that match, newest first.
    async fn find(&self, filter: Filter) -> Result<Vec<TaskView>>;
    /// One task with its payload and history.
    async fn task(&self, id: TaskId) -> Result<Option<TaskDetail>>;
    /// Changes tasks, each on its own, and says what became of each, in order. A task whose postback has no
    /// room answers `Rejected`, and stays as it is.
    async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>>;
    /// Changes a queue, which need not exist yet, or one of its types; `Refused` when a type has no such
    /// setting. A queue begins open and without a bound, keeps terminal tasks for 24 hours, and takes
    /// payloads of 256 KiB.
    async fn set(&self, queue: QueueName, task_type: Option<TaskType>, setting: Setting) -> Result<()>;
    /// Drones that beat, or did within their lease.
    async fn drones(&self) -> Result<Vec<DroneView>>;
    /// Tells a drone (an incarnation) to drain; false when there is none.
    async fn drain(&self, drone: Incarnation) -> Result<bool>;
    /// Takes a drone (an incarnation) for gone, whatever its lease says; false when there is none.
    ///
    /// * Its tasks are rescued at once, as after a lease of silence that was watched: see
    ///   [`Queue::beat`](crate::Queue::beat). Then the drone is forgotten.
    /// * While a postback has no room its task stays claimed, and the drone known, to the next look.
    /// * If it beats again it begins a new lease, and its old claims are lost. Late, but unclaimed, still wins.
    async fn rescue(&self, drone: Incarnation) -> Result<bool>;
}

/// A task's state, as stored. `retryable` and `running` are words for people: a scheduled task with
/// attempts, and what a drone says of a claimed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not yet due.
    Scheduled,
    /// Due, and nobody has it.
    Available,
    /// A drone has it.
    Claimed,
    /// Ended well.
    Completed,
    /// Ended badly.
    Discarded,
    /// Ended by request.
    Cancelled,
}

/// What an operator does to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// End it as cancelled: at once when it waits, through its drone when it is claimed.
    Cancel,
    /// Make it available now: a scheduled one, or one that was discarded or cancelled (its counters begin
    /// anew, its history stays). Within the capacity, and unless another task has its unique key
    /// (`key_full`).
    Retry,
    /// End it as discarded, when it waits.
    Discard,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acted {
    /// Done, durably.
    Done,
    /// It is claimed; its drone is told.
    Requested,
    /// It is in a state in which this makes no sense.
    Unchanged(State),
    /// No such task is kept.
    NotFound,
    /// There is no room to bring it back.
    Rejected(crate::Rejection),
}

/// What an operator does to a queue, or to one type of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// Hand out nothing.
    Paused(bool),
    /// Most tasks that are not terminal; none for no bound. Lowering it refuses new tasks, it drops none.
    Capacity(Option<u64>),
    /// Whether new tasks are taken (a queue only).
    Intake(Intake),
    /// How long terminal tasks are kept; zero for not at all (a queue only).
    Retention(Duration),
    /// Most bytes of one payload (a queue only).
    MaxPayload(usize),
    /// Lets no task starve (a queue only): one that has been due for k times so long is handed out as if its
    /// priority number were k lower, but never below 1. None for strict order. Kept to the microsecond, from a
    /// millisecond to a hundred years.
    PromoteAfter(Option<Duration>),
}

/// The shortest and the longest [`Setting::PromoteAfter`]; others count as the nearer of the two.
pub const PROMOTE_AFTER: [Duration; 2] =
    [Duration::from_millis(1), Duration::from_secs(100 * 365 * 24 * 3600)];

/// Whether a queue takes new tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intake {
    /// It does.
    #[default]
    Open,
    /// Not now.
    Paused,
    /// No more: it is being emptied.
    Draining,
}

/// Which tasks to show.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Any of these; all when empty.
    pub states: Vec<State>,
    /// Of this queue.
    pub queue: Option<QueueName>,
    /// Of this type.
    pub task_type: Option<TaskType>,
    /// Last charged with this cause.
    pub cause: Option<Cause>,
    /// At most so many.
    pub limit: usize,
}

/// A task, as listed. The keys are a contract.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskView {
    /// Its id.
    pub id: TaskId,
    /// What routes it.
    pub task_type: TaskType,
    /// Where it waits.
    pub queue: QueueName,
    /// As stored.
    pub state: State,
    /// 1 to 5.
    pub priority: Priority,
    /// When it may start.
    pub run_at: Timestamp,
    /// Runs charged.
    pub attempts: u16,
    /// Claims that vanished.
    pub losses: u16,
    /// Runs cut short by a drain.
    pub interruptions: u16,
    /// Its own limit; absent when its type's holds.
    pub max_attempts: Option<u16>,
    /// The name of the drone that has it, or ended it.
    pub worker: Option<String>,
    /// The last thing that went wrong.
    pub error: Option<String>,
    /// What it came to.
    pub result: Option<Box<RawValue>>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// One task, whole.
#[derive(Debug, Clone)]
pub struct TaskDetail {
    /// As listed.
    pub view: TaskView,
    /// What it works on.
    pub payload: bytes::Bytes,
    /// What that is.
    pub content: Content,
    /// What went wrong so far, oldest first.
    pub history: Vec<Event>,
}

/// Something that went wrong with a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub cause: Cause,
    /// Attempts charged, this one included.
    pub attempts: u16,
    /// The name of the drone.
    pub worker: Option<String>,
    /// In words.
    pub error: String,
}

/// A queue, as listed. The keys are a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueView {
    /// Its name.
    pub name: QueueName,
    /// Tasks that are not terminal.
    pub depth: u64,
    /// Most of them; absent for no bound.
    pub capacity: Option<u64>,
    /// Not yet due.
    pub scheduled: u64,
    /// Due, and nobody has them.
    pub available: u64,
    /// With a drone.
    pub claimed: u64,
    /// Hands out nothing.
    pub paused: bool,
    /// Takes new tasks.
    pub intake: Intake,
    /// How long terminal tasks are kept, in seconds.
    pub retention: u64,
    /// What a task must have been due for to count as one priority sooner, in seconds; absent for strict order.
    #[serde(default, with = "seconds")]
    pub promote_after: Option<Duration>,
    /// When the available task that has waited longest was due; absent when none waits.
    #[serde(default)]
    pub waiting_since: Option<Timestamp>,
    /// How long the available tasks have been due. All zero when it comes from an older peer.
    #[serde(default)]
    pub waits: Waits,
    /// Its types.
    pub types: Vec<TypeView>,
}

/// One type of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeView {
    /// Its name.
    pub name: TaskType,
    /// Tasks that are not terminal.
    pub depth: u64,
    /// Most of them; absent for no bound.
    pub capacity: Option<u64>,
    /// Hands out nothing.
    pub paused: bool,
    /// Whether a drone serves it.
    pub served: bool,
}

/// A drone, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroneView {
    /// Which start of it.
    pub incarnation: Incarnation,
    /// The queue it pumps.
    pub queue: QueueName,
    /// When it last spoke, by the queue's clock.
    pub beat_at: Timestamp,
    /// Whether its lease has run out.
    pub silent: bool,
    /// Whether it was told to drain.
    pub draining: bool,
    /// What it tells of itself.
    pub facts: DroneFacts,
}

// === impl Setting ===

impl Setting {
    /// A [`Setting::PromoteAfter`] as queues keep it.
    #[must_use]
    pub fn promote_after(asked: Duration) -> Duration {
        let [least, most] = PROMOTE_AFTER;
        Duration::from_micros(asked.clamp(least, most).as_micros() as u64)
    }
}

/// A duration as a number of seconds, with its fraction.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        time.map(|time| time.as_secs_f64()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(from)?;
        Ok(seconds.map(|seconds| Duration::from_micros((seconds * 1e6).round() as u64)))
    }
}

// === impl State ===

impl State {
    /// Every state, in the order of a task's life.
    pub const ALL: [Self; 6] =
        [Self::Scheduled, Self::Available, Self::Claimed, Self::Completed, Self::Discarded, Self::Cancelled];

    /// As it is written in answers and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Available => "available",
            Self::Claimed => "claimed",
            Self::Completed => "completed",
            Self::Discarded => "discarded",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Discarded | Self::Cancelled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let all = Self::ALL.map(Self::as_str);
        let at = all.iter().position(|name| *name == text);
        at.map(|i| Self::ALL[i]).ok_or_else(|| format!("{text:?} is not a state: use {}", all.join(", ")))
    }
}
