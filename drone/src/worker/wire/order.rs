//! What a drone says: the lines on a worker's stdin.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use skep_queue::{Content, TaskId, TaskType};

use super::MAX_LINE;
use crate::worker::Task;

/// What a drone says to a worker process.
#[derive(Debug, Clone, Copy)]
pub enum Order<'a> {
    /// Before anything else, if options are configured.
    Setup(&'a serde_json::Map<String, serde_json::Value>),
    /// Run this.
    Run(&'a Task),
    /// Stop running this, and answer.
    Cancel(TaskId),
    /// Finish what runs, and exit.
    Stop,
}

#[derive(Serialize)]
struct RunLine<'a> {
    op: &'static str,
    id: TaskId,
    task: &'a TaskType,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    attempt: u16,
    of: u16,
    fence: u32,
    timeout: Option<f64>,
    meta: &'a BTreeMap<String, String>,
}

// === impl Order ===

impl Order<'_> {
    /// The line, with its newline.
    ///
    /// # Errors
    /// When the payload is no JSON though the task says so, or the line would be longer than [`MAX_LINE`].
    pub fn encode(&self) -> Result<Bytes, String> {
        let line = match self {
            Self::Setup(options) => json(&serde_json::json!({"op": "setup", "options": options})),
            Self::Run(task) => run_line(task),
            Self::Cancel(id) => json(&serde_json::json!({"op": "cancel", "id": id})),
            Self::Stop => json(&serde_json::json!({"op": "stop"})),
        }?;
        if line.len() > MAX_LINE + 1 {
            return Err(format!("the message is {} bytes long; a line has at most {MAX_LINE}", line.len()));
        }
        Ok(line.into())
    }
}

fn run_line(task: &Task) -> Result<Vec<u8>, String> {
    let text: Cow<'_, [u8]>;
    let (mut payload, mut payload_base64) = (None, None);
    if task.content == Content::Json {
        text = one_line(&task.payload);
        let parsed = serde_json::from_slice::<&RawValue>(&text);
        payload = Some(parsed.map_err(|error| format!("the payload is not JSON: {error}"))?);
    } else {
        payload_base64 = Some(STANDARD.encode(&task.payload));
    }
    json(&RunLine {
        op: "run",
        id: task.id,
        task: &task.task_type,
        payload,
        payload_base64,
        attempt: task.attempt,
        of: task.of,
        fence: task.fence,
        timeout: task.timeout.map(|timeout| timeout.as_secs_f64()),
        meta: &task.meta,
    })
}

/// JSON may spread over lines; inside its strings a newline is always escaped, so each raw one is a space.
fn one_line(text: &[u8]) -> Cow<'_, [u8]> {
    let breaks = |b: u8| b == b'\n' || b == b'\r';
    if !text.iter().any(|&b| breaks(b)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.iter().map(|&b| if breaks(b) { b' ' } else { b }).collect())
}

fn json<T: Serialize>(message: &T) -> Result<Vec<u8>, String> {
    let mut line = serde_json::to_vec(message).map_err(|error| error.to_string())?;
    line.push(b'\n');
    Ok(line)
}
