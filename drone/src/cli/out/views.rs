//! Tasks and queues as JSON. The keys, and their order, are a contract with scripts.

use base64::Engine;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use skep_queue::{
    Cause, Content, TaskId, Timestamp,
    admin::{Event, Intake, QueueView, State, TaskDetail, TaskView, TypeView, Waits},
};

/// A moment as RFC 3339, in UTC.
pub(crate) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.micros()).map_or_else(|_| at.micros().to_string(), |t| t.to_string())
}

fn as_time<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&time(*at))
}

fn as_time_or_null<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    at.map(time).serialize(to)
}

/// A task, as listed.
#[derive(Serialize)]
pub(crate) struct TaskJson<'a> {
    id: TaskId,
    task_type: &'a str,
    queue: &'a str,
    state: State,
    priority: u8,
    #[serde(serialize_with = "as_time")]
    run_at: Timestamp,
    attempts: u16,
    losses: u16,
    interruptions: u16,
    max_attempts: Option<u16>,
    worker: Option<&'a str>,
    error: Option<&'a str>,
    result: Option<&'a RawValue>,
    #[serde(serialize_with = "as_time")]
    created_at: Timestamp,
    #[serde(serialize_with = "as_time_or_null")]
    finished_at: Option<Timestamp>,
    /// Of a task that is shown alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    /// When the payload is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
    /// Of a task that is shown alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<EventJson<'a>>>,
}

impl<'a> From<&'a TaskView> for TaskJson<'a> {
    fn from(task: &'a TaskView) -> Self {
        Self {
            id: task.id,
            task_type: task.task_type.as_str(),
            queue: task.queue.as_str(),
            state: task.state,
            priority: task.priority.number(),
            run_at: task.run_at,
            attempts: task.attempts,
            losses: task.losses,
            interruptions: task.interruptions,
            max_attempts: task.max_attempts,
            worker: task.worker.as_deref(),
            error: task.error.as_deref(),
            result: task.result.as_deref(),
            created_at: task.created_at,
            finished_at: task.finished_at,
            payload: None,
            content: None,
            history: None,
        }
    }
}

/// Something that went wrong.
#[derive(Serialize)]
struct EventJson<'a> {
    #[serde(serialize_with = "as_time")]
    at: Timestamp,
    cause: Cause,
    attempts: u16,
    worker: Option<&'a str>,
    error: &'a str,
}

impl<'a> TaskJson<'a> {
    /// A task, whole.
    pub(crate) fn whole(task: &'a TaskDetail) -> Self {
        let event = |event: &'a Event| EventJson {
            at: event.at,
            cause: event.cause,
            attempts: event.attempts,
            worker: event.worker.as_deref(),
            error: &event.error,
        };
        Self {
            payload: Some(payload(task)),
            content: Some(task.content).filter(|content| *content == Content::Bytes),
            history: Some(task.history.iter().map(event).collect()),
            ..Self::from(&task.view)
        }
    }
}

/// A queue, as listed.
#[derive(Serialize)]
pub(crate) struct QueueJson<'a> {
    name: &'a str,
    depth: u64,
    capacity: Option<u64>,
    scheduled: u64,
    available: u64,
    claimed: u64,
    paused: bool,
    intake: Intake,
    /// In seconds.
    retention: u64,
    /// In seconds.
    promote_after: Option<f64>,
    #[serde(serialize_with = "as_time_or_null")]
    waiting_since: Option<Timestamp>,
    /// How many available tasks have been due for how long.
    waits: Waits,
    types: &'a [TypeView],
}

impl<'a> From<&'a QueueView> for QueueJson<'a> {
    fn from(queue: &'a QueueView) -> Self {
        Self {
            name: queue.name.as_str(),
            depth: queue.depth,
            capacity: queue.capacity,
            scheduled: queue.scheduled,
            available: queue.available,
            claimed: queue.claimed,
            paused: queue.paused,
            intake: queue.intake,
            retention: queue.retention,
            promote_after: queue.promote_after.map(|time| time.as_secs_f64()),
            waiting_since: queue.waiting_since,
            waits: queue.waits,
            types: &queue.types,
        }
    }
}

/// A payload as JSON: bytes become a string in base64.
fn payload(task: &TaskDetail) -> Box<RawValue> {
    let json = (task.content == Content::Json).then(|| serde_json::from_slice(&task.payload).ok()).flatten();
    let text = || base64::engine::general_purpose::STANDARD.encode(&task.payload);
    json.or_else(|| serde_json::value::to_raw_value(&text()).ok()).unwrap_or_default()
}
