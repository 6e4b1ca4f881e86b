//! Settling: how tasks end, and what the queue answers.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Block, BlockId, ClaimId, Due, Mask, Options, Payloads, Priority, QueueName, Rejection, TaskId, TaskType,
};

/// Losses before a task is discarded as `lost`.
pub const MAX_LOSSES: u16 = 3;
/// Drains that may cut a task short before it is discarded.
pub const MAX_INTERRUPTIONS: u16 = 10;
/// Most bytes of an error text; longer ones are cut.
pub const MAX_ERROR: usize = 8 * 1024;

/// How members of one block end, under one claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The claim they were handed out under.
    pub claim: ClaimId,
    /// Their block.
    pub block: BlockId,
    /// In the order given; masks do not overlap.
    #[serde(default)]
    pub endings: Vec<Ending>,
}

/// The same outcome for some members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Which.
    pub members: Mask,
    /// How.
    pub outcome: Outcome,
}

/// What a run, or a claim that never ran, comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done. Terminal.
    Complete {
        /// JSON text, kept as long as the task is.
        #[serde(default)]
        result: Option<Bytes>,
        /// Follow-ups; they enter in the same transaction, or the ending is refused.
        #[serde(default)]
        submit: Vec<Block>,
    },
    /// Failed, to be tried again: one more attempt.
    Retry {
        /// What went wrong.
        failure: Failure,
        /// When to try again.
        after: Duration,
    },
    /// Failed for good: one more attempt. Terminal.
    Discard {
        /// What went wrong.
        failure: Failure,
    },
    /// Stopped by request. Terminal.
    Cancel {
        /// Who, or why.
        failure: Failure,
    },
    /// Not now, says the worker; no failure and no attempt.
    Snooze {
        /// When to try again.
        after: Duration,
    },
    /// Handed back unstarted, free of charge.
    Release,
    /// Cut short by a drain: one more interruption.
    Interrupt,
}

/// What went wrong. The text is clean: no NUL, no control characters but tab and newline, bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which of the ways to fail.
    pub cause: Cause,
    /// For people.
    pub error: String,
    /// The worker's own class of error, for grouping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// A stack trace, if the worker sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// 1 + the number of solitary crashes, when the task is suspected of having killed its drone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub suspect: u8,
}

/// The ways to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The handler said so.
    Failed,
    /// The handler panicked.
    Panicked,
    /// It ran longer than its type may.
    TimedOut,
    /// Its process ended, or was killed, before it answered.
    Exited,
    /// Its drone died while it ran, and came back with its file.
    Crashed,
    /// Its drone is gone, and the lease ran out.
    Lost,
    /// A drain cut it short.
    Interrupted,
    /// Somebody cancelled it.
    Cancelled,
    /// It brought its drone down while it ran alone.
    Poison,
    /// The worker broke the protocol.
    Protocol,
    /// The outcome itself could not be stored.
    Unstorable,
}

/// What the queue made of a settlement, member by member. None of the four is worth another try.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settled {
    /// It is so, durably.
    pub accepted: Mask,
    /// It was so already, by this claim with this outcome.
    pub already: Mask,
    /// Another claim, or another outcome, was there first: drop it.
    pub stale: Mask,
    /// No such task is kept any more: drop it.
    pub gone: Mask,
    /// Its follow-ups found no room: nothing changed, settle again later.
    pub refused: Mask,
    /// Which bound refused.
    pub rejection: Option<Rejection>,
}

// === impl Cause ===

impl Cause {
    /// As it is written in answers and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
            Self::Exited => "exited",
            Self::Crashed => "crashed",
            Self::Lost => "lost",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
            Self::Poison => "poison",
            Self::Protocol => "protocol",
            Self::Unstorable => "unstorable",
        }
    }
}

// === impl Failure ===

impl Failure {
    /// A failure with a clean text: the one place where error texts are sanitised.
    pub fn new(cause: Cause, error: impl AsRef<str>) -> Self {
        Self { cause, error: clean(error.as_ref()), kind: None, trace: None, suspect: 0 }
    }

    /// With the worker's own class of error and its trace, cleaned too.
    #[must_use]
    pub fn detailed(mut self, kind: Option<&str>, trace: Option<&str>) -> Self {
        (self.kind, self.trace) = (kind.map(clean), trace.map(clean));
        self
    }
}

fn clean(text: &str) -> String {
    let shown =
        |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    let mut clean: String = text.chars().take(MAX_ERROR).map(shown).collect();
    if clean.len() > MAX_ERROR {
        clean.truncate(clean.floor_char_boundary(MAX_ERROR));
    }
    clean
}

// === impl Outcome ===

impl Outcome {
    /// Done, with nothing to tell.
    #[must_use]
    pub const fn done() -> Self {
        Self::Complete { result: None, submit: Vec::new() }
    }

    /// The terminal state it leads to, if it does.
    #[must_use]
    pub const fn ends_in(&self) -> Option<crate::admin::State> {
        match self {
            Self::Complete { .. } => Some(crate::admin::State::Completed),
            Self::Discard { .. } => Some(crate::admin::State::Discarded),
            Self::Cancel { .. } => Some(crate::admin::State::Cancelled),
            _ => None,
        }
    }

    /// A number that tells the outcomes apart, to recognise a settle that is repeated.
    #[must_use]
    pub const fn tag(&self) -> u8 {
        match self {
            Self::Complete { .. } => 1,
            Self::Retry { .. } => 2,
            Self::Discard { .. } => 3,
            Self::Cancel { .. } => 4,
            Self::Snooze { .. } => 5,
            Self::Release => 6,
            Self::Interrupt => 7,
        }
    }

    /// What went wrong, if anything did.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Retry { failure, .. } | Self::Discard { failure } | Self::Cancel { failure } => {
                Some(failure)
            }
            _ => None,
        }
    }
}

/// The task that carries an outcome to its `postback` type. Its id follows from the parent's, so that a
/// second run posts the same one. Payload: `{"id", "task_type", "state", "result", "error"}`.
#[must_use]
pub fn postback(
    task: TaskId,
    from: (&QueueName, &TaskType),
    to: &TaskType,
    ended: crate::admin::State,
    result: Option<&[u8]>,
    error: Option<&str>,
) -> Block {
    let result = result.and_then(|json| serde_json::from_slice::<&serde_json::value::RawValue>(json).ok());
    let payload = serde_json::json!({
        "id": task, "task_type": from.1, "state": ended, "result": result, "error": error,
    });
    Block {
        id: BlockId::derived(task, u32::MAX),
        queue: from.0.clone(),
        task_type: to.clone(),
        priority: Priority::default(),
        due: Due::Now,
        options: std::sync::Arc::new(Options::default()),
        payloads: Payloads::new(&[payload.to_string()]),
    }
}

fn is_zero(n: &u8) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_texts_are_storable_anywhere() {
        let failure = Failure::new(Cause::Failed, "a\0b\u{1b}[31mc\nd\te").detailed(Some("K\0"), None);
        assert_eq!(failure.error, "a\u{fffd}b\u{fffd}[31mc\nd\te");
        assert_eq!(failure.kind.as_deref(), Some("K\u{fffd}"));
        let long = Failure::new(Cause::Failed, "ä".repeat(MAX_ERROR));
        assert!(long.error.len() <= MAX_ERROR && long.error.ends_with('ä'));
    }
}
