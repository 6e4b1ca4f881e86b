//! Worker wire 1: one JSON object a line, each with its `op`. docs/worker-protocol.md is the public text.
//! An [`Order`] goes to a worker process, a [`Reply`] comes back.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use skep_queue::{TaskId, TaskType};

use super::{FollowUp, Headway, Retry};
use crate::duration;

mod again;
mod lenient;
mod order;

use again::Again;
pub use order::Order;

/// Longest line either way, without its newline.
pub const MAX_LINE: usize = 16 << 20;
/// Longest result of a task.
pub const MAX_RESULT: usize = 1 << 20;
/// The version that `hello` must name.
pub const PROTO: u64 = 1;

/// What a worker process says to a drone.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The first message.
    Hello(Hello),
    /// The task is done.
    Done {
        /// Which.
        id: TaskId,
        /// JSON text.
        result: Option<Bytes>,
        /// What follows from it.
        submit: Vec<FollowUp>,
    },
    /// The task failed.
    Fail(Fail),
    /// Not now.
    Snooze {
        /// Which.
        id: TaskId,
        /// For how long.
        wait: Duration,
    },
    /// Any of `progress`, `log` and `beat`: the task is alive, and may have something to tell.
    Alive {
        /// Which.
        id: TaskId,
        /// What it tells its log, if it does.
        note: Option<Note>,
        /// How it gets on, if it says so.
        headway: Option<Headway>,
    },
}

/// The first message of a worker process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hello {
    /// Must be [`PROTO`].
    pub proto: u64,
    /// How many tasks it can run at once.
    #[serde(default = "one")]
    pub concurrency: usize,
    /// Its own idea of its process id.
    #[serde(default)]
    pub pid: Option<u64>,
    /// What it is written in.
    #[serde(default)]
    pub lang: Option<String>,
}

/// A failure, as the worker tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fail {
    /// Which task.
    pub id: TaskId,
    /// For people.
    pub error: String,
    /// The worker's class of error.
    pub kind: Option<String>,
    /// A stack trace.
    pub trace: Option<String>,
    /// Whether to try again.
    pub retry: Retry,
}

/// A line for the task's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// `debug`, `info`, `warn` or `error`; anything else counts as `info`.
    pub level: String,
    /// For people.
    pub text: String,
}

/// A line that is not a message, or a message that is not well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Malformed {
    /// The task it means to end, if that much can be read.
    pub ends: Option<TaskId>,
    /// What is wrong with it.
    pub text: String,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
    #[serde(default)]
    id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct DoneLine<'a> {
    id: TaskId,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    submit: Option<Vec<FollowUpLine<'a>>>,
}

#[derive(Deserialize)]
struct FollowUpLine<'a> {
    task: TaskType,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(default)]
    local: bool,
}

#[derive(Deserialize)]
struct FailLine {
    id: TaskId,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    trace: Option<String>,
    #[serde(default)]
    retry: Again,
}

#[derive(Deserialize)]
struct SnoozeLine {
    id: TaskId,
    #[serde(rename = "for", with = "duration::text")]
    wait: Duration,
}

#[derive(Deserialize)]
struct NoteLine<'a> {
    id: TaskId,
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    msg: Option<String>,
    #[serde(borrow, default)]
    fields: Option<&'a RawValue>,
    #[serde(borrow, default)]
    n: Option<&'a RawValue>,
    #[serde(borrow, default)]
    of: Option<&'a RawValue>,
    #[serde(default)]
    note: Option<String>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

// === impl Reply ===

impl Reply {
    /// Reads one line, without its newline. Lone surrogates and bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// When the line is no message of the protocol.
    pub fn decode(line: &[u8]) -> Result<Self, Malformed> {
        let line = lenient::mend(line);
        let head: Head<'_> = serde_json::from_str(&line)
            .map_err(|error| Malformed { ends: None, text: format!("not a message: {error}") })?;
        Self::of(&head.op, &line).map_err(|text| Malformed {
            // Said of a task that it ends, a message too broken to obey must still end it.
            ends: head
                .id
                .filter(|_| matches!(&*head.op, "done" | "fail" | "snooze"))
                .and_then(|id| id.parse().ok()),
            text: format!("malformed {:?}: {text}", head.op.chars().take(40).collect::<String>()),
        })
    }

    fn of(op: &str, line: &str) -> Result<Self, String> {
        let parsed = match op {
            "hello" => serde_json::from_str(line).map(Self::Hello),
            "done" => serde_json::from_str::<DoneLine<'_>>(line).map(Self::from),
            "fail" => serde_json::from_str::<FailLine>(line).map(Self::from),
            "snooze" => serde_json::from_str::<SnoozeLine>(line).map(Self::from),
            "progress" => serde_json::from_str::<NoteLine<'_>>(line).map(Self::progress),
            "log" | "beat" => serde_json::from_str::<NoteLine<'_>>(line).map(Self::from),
            _ => return Err("there is no such op".into()),
        };
        parsed.map_err(|error| error.to_string())
    }

    fn progress(line: NoteLine<'_>) -> Self {
        let number = |raw: &RawValue| serde_json::from_str(raw.get()).ok();
        let headway = Headway {
            n: line.n.and_then(number),
            of: line.of.and_then(number),
            note: line.note.clone(),
            data: line.data.map(bytes),
        };
        match Self::from(line) {
            Self::Alive { id, note, .. } => Self::Alive { id, note, headway: Some(headway) },
            other => other,
        }
    }
}

impl From<DoneLine<'_>> for Reply {
    fn from(line: DoneLine<'_>) -> Self {
        let follow_up = |line: FollowUpLine<'_>| FollowUp {
            task_type: line.task,
            payload: line.payload.map_or_else(|| Bytes::from_static(b"null"), bytes),
            local: line.local,
        };
        Self::Done {
            id: line.id,
            result: line.result.map(bytes),
            submit: line.submit.unwrap_or_default().into_iter().map(follow_up).collect(),
        }
    }
}

impl From<FailLine> for Reply {
    fn from(line: FailLine) -> Self {
        let error = line.error.unwrap_or_else(|| "the worker gave no reason".into());
        Self::Fail(Fail { id: line.id, error, kind: line.kind, trace: line.trace, retry: line.retry.0 })
    }
}

impl From<SnoozeLine> for Reply {
    fn from(line: SnoozeLine) -> Self {
        Self::Snooze { id: line.id, wait: line.wait }
    }
}

impl From<NoteLine<'_>> for Reply {
    fn from(line: NoteLine<'_>) -> Self {
        let mut text = line.msg.or(line.note).unwrap_or_default();
        if let Some(n) = line.n {
            let of = line.of.map_or(String::new(), |of| format!(" of {of}"));
            text = format!("{n}{of} {text}");
        }
        if let Some(fields) = line.fields.filter(|fields| fields.get() != "{}") {
            text = format!("{text} {fields}");
        }
        let level = line.level.unwrap_or_else(|| "info".into());
        let note = (!text.is_empty()).then_some(Note { level, text });
        Self::Alive { id: line.id, note, headway: None }
    }
}

fn bytes(raw: &RawValue) -> Bytes {
    Bytes::copy_from_slice(raw.get().as_bytes())
}

const fn one() -> usize {
    1
}

#[cfg(test)]
mod tests;
