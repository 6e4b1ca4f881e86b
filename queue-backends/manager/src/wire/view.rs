//! What people look at, in a form that travels: the seam's views hold JSON text as such, which only JSON can carry.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use skep_queue::{
    Content, Priority, QueueName, TaskId, TaskType, Timestamp,
    admin::{Event, State, TaskDetail, TaskView},
};

/// A task, as listed: [`TaskView`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of `TaskView`")]
pub struct View {
    pub id: TaskId,
    pub task_type: TaskType,
    pub queue: QueueName,
    pub state: State,
    pub priority: Priority,
    pub run_at: Timestamp,
    pub attempts: u16,
    pub losses: u16,
    pub interruptions: u16,
    pub max_attempts: Option<u16>,
    pub worker: Option<String>,
    pub error: Option<String>,
    /// JSON text.
    pub result: Option<Bytes>,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

/// One task, whole: [`TaskDetail`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of `TaskDetail`")]
pub struct Detail {
    pub view: View,
    pub payload: Bytes,
    pub content: Content,
    pub history: Vec<Event>,
}

/// How a manager does.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Since when it runs.
    pub started_at: Timestamp,
    /// Whether it hands out tasks: not before the drones that it knew have had time to come back.
    pub open: bool,
    /// Those connected.
    pub drones: Vec<Hands>,
    /// The queues of its store.
    pub queues: Vec<Load>,
    /// Connections, of drones and of others.
    pub links: usize,
    /// Callers that wait for an end.
    pub callers: usize,
    /// Tasks that were refused since it started, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// A queue, and how much it may hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// Its name.
    pub name: String,
    /// Tasks that are not terminal.
    pub depth: u64,
    /// Most of them just now; absent for no bound.
    pub limit: Option<u64>,
    /// What makes the limit, as configured: `10000`, `3x`, `30s`, `none`; absent when this manager does not set it.
    pub bound: Option<String>,
    /// Not yet due.
    pub scheduled: u64,
    /// Due, and nobody has them.
    pub available: u64,
    /// With a drone.
    pub claimed: u64,
    /// Hands of the drones that pump it, wherever they are connected.
    pub hands: usize,
    /// How long the available task that has waited longest has been due, in seconds; absent when none waits.
    pub waiting: Option<f64>,
    /// The mean wait from a submit to the hand-out over the last ones that this manager saw, in seconds.
    pub mean_wait: Option<f64>,
    /// How long a new task may expect to wait, in seconds; absent while that is not known.
    pub expected_wait: Option<f64>,
    /// Its types that have a bound.
    pub types: Vec<TypeLoad>,
}

/// A type of a queue, and how much of it the queue may hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TypeLoad {
    /// Its name.
    pub name: String,
    /// Tasks that are not terminal.
    pub depth: u64,
    /// Most of them just now; absent for no bound.
    pub limit: Option<u64>,
    /// What makes the limit, as configured; absent when this manager does not set it.
    pub bound: Option<String>,
    /// Hands of the drones that serve it.
    pub hands: usize,
}

/// A drone, as the manager that it is connected to sees it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Hands {
    /// From its configuration.
    pub name: String,
    /// The queue that it pumps.
    pub queue: String,
    /// How many tasks it can run at once.
    pub hands: usize,
    /// How many it has been given and has not settled.
    pub assigned: usize,
    /// The mean time of a run over the last ones, in seconds; absent before the first.
    pub run_time: Option<f64>,
}

impl From<TaskView> for View {
    fn from(view: TaskView) -> Self {
        let text = |raw: Box<RawValue>| Bytes::from(String::from(Box::<str>::from(raw)));
        Self {
            id: view.id,
            task_type: view.task_type,
            queue: view.queue,
            state: view.state,
            priority: view.priority,
            run_at: view.run_at,
            attempts: view.attempts,
            losses: view.losses,
            interruptions: view.interruptions,
            max_attempts: view.max_attempts,
            worker: view.worker,
            error: view.error,
            result: view.result.map(text),
            created_at: view.created_at,
            finished_at: view.finished_at,
        }
    }
}

impl TryFrom<View> for TaskView {
    type Error = serde_json::Error;

    fn try_from(view: View) -> Result<Self, serde_json::Error> {
        let raw = |text: Bytes| serde_json::from_slice::<Box<RawValue>>(&text);
        Ok(Self {
            id: view.id,
            task_type: view.task_type,
            queue: view.queue,
            state: view.state,
            priority: view.priority,
            run_at: view.run_at,
            attempts: view.attempts,
            losses: view.losses,
            interruptions: view.interruptions,
            max_attempts: view.max_attempts,
            worker: view.worker,
            error: view.error,
            result: view.result.map(raw).transpose()?,
            created_at: view.created_at,
            finished_at: view.finished_at,
        })
    }
}

impl From<TaskDetail> for Detail {
    fn from(detail: TaskDetail) -> Self {
        let TaskDetail { view, payload, content, history } = detail;
        Self { view: view.into(), payload, content, history }
    }
}

impl TryFrom<Detail> for TaskDetail {
    type Error = serde_json::Error;

    fn try_from(detail: Detail) -> Result<Self, serde_json::Error> {
        let Detail { view, payload, content, history } = detail;
        Ok(Self { view: view.try_into()?, payload, content, history })
    }
}
