//! Submitting: what goes in, and the typed answer.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Block, TaskId};

/// Blocks submitted in one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// In the order in which they shall wait.
    #[serde(default)]
    pub blocks: Vec<Block>,
    /// Whether a part may be accepted when not all fits. Otherwise the call is all or nothing.
    pub partial: bool,
}

impl Submission {
    /// All or nothing.
    #[must_use]
    pub const fn whole(blocks: Vec<Block>) -> Self {
        Self { blocks, partial: false }
    }
}

/// What became of one block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Submitted {
    /// Every member is new, and durable.
    Accepted,
    /// Every member was here already, with the same payload: an earlier call with this id did it.
    Existing,
    /// The first `accepted` members are here (new or from an earlier call), the others are not; only in a
    /// partial submission.
    Partly {
        /// How many of the first members.
        accepted: usize,
        /// Why not the others.
        rejection: Rejection,
    },
    /// The unique key is held by another task, and the submitter asked to skip: nothing stored.
    Skipped {
        /// Who holds the key.
        holder: TaskId,
    },
    /// The id is taken by another payload, or the key by another task: nothing stored.
    Conflict {
        /// Who is in the way.
        holder: TaskId,
    },
    /// Nothing stored.
    Rejected(Rejection),
}

/// Why a queue refused, and when to try again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The rule that refused.
    pub reason: Reason,
    /// How many tasks the rule counted, before this one.
    pub depth: u64,
    /// What the rule allows.
    pub limit: u64,
    /// When another try may have better luck; absent when none will.
    #[serde(default)]
    pub retry_after: Option<Duration>,
    /// What exactly was wrong; empty where the numbers say it.
    #[serde(default)]
    pub detail: String,
}

/// The rule that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The queue holds as many tasks as it may.
    QueueFull,
    /// The task type holds as many tasks as it may.
    TypeFull,
    /// A key holds as many tasks as it may.
    KeyFull,
    /// Nobody is connected who could do it.
    NoWorker,
    /// The queue is being emptied.
    Draining,
    /// An operator closed the queue to new tasks.
    IntakePaused,
    /// The payload is larger than the queue takes.
    PayloadTooLarge,
    /// The task is not well formed.
    Invalid,
}

// === impl Reason ===

impl Reason {
    /// As it is written in answers and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::TypeFull => "type_full",
            Self::KeyFull => "key_full",
            Self::NoWorker => "no_worker",
            Self::Draining => "draining",
            Self::IntakePaused => "intake_paused",
            Self::PayloadTooLarge => "payload_too_large",
            Self::Invalid => "invalid",
        }
    }

    /// Whether the same task may be accepted later.
    #[must_use]
    pub const fn passes(self) -> bool {
        !matches!(self, Self::PayloadTooLarge | Self::Invalid)
    }
}

// === impl Rejection ===

impl Rejection {
    /// A rejection for a bound that counts.
    #[must_use]
    pub fn full(reason: Reason, depth: u64, limit: u64) -> Self {
        Self { reason, depth, limit, retry_after: Some(Duration::from_secs(1)), detail: String::new() }
    }

    /// A rejection that no waiting heals.
    pub fn invalid(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, depth: 0, limit: 0, retry_after: None, detail: detail.into() }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.as_str())?;
        match (self.reason, self.detail.is_empty()) {
            (Reason::QueueFull | Reason::TypeFull | Reason::KeyFull, _) => {
                write!(f, ": {} of {} tasks", self.depth, self.limit)?;
            }
            (Reason::PayloadTooLarge, _) => write!(f, ": {} bytes, the limit is {}", self.depth, self.limit)?,
            (_, true) => {}
            (_, false) => write!(f, ": {}", self.detail)?,
        }
        match self.retry_after {
            Some(after) => write!(f, "; try again in {} s", after.as_secs().max(1)),
            None => Ok(()),
        }
    }
}
