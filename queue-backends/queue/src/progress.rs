//! How running tasks get on: hints for whoever watches.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{ClaimId, TaskId};

/// What a running task tells of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Which.
    pub task: TaskId,
    /// Under which it runs.
    pub claim: ClaimId,
    /// How far it is, in a unit of its own.
    #[serde(default)]
    pub n: Option<f64>,
    /// Where that ends.
    #[serde(default)]
    pub of: Option<f64>,
    /// For people.
    #[serde(default)]
    pub note: Option<String>,
    /// JSON text: a part of what the task makes, for programs.
    #[serde(default)]
    pub data: Option<Bytes>,
}
