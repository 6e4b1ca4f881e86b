//! What became of one task, as JSON or as an id. The keys are a contract.

use serde::Serialize;
use skep_queue::{Rejection, TaskId};

use crate::{
    cli::{Form, Out},
    client::{Error, Landed, Receipt},
};

#[derive(Serialize, Default)]
pub(super) struct Answer<'a> {
    id: Option<TaskId>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<TaskId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
}

impl<'a> Answer<'a> {
    pub(super) fn of(answer: &'a Result<Receipt, Error>) -> Self {
        match answer {
            Ok(Receipt { id, landed }) => {
                let (outcome, holder) = match landed {
                    Landed::Accepted => ("accepted", None),
                    Landed::Existing => ("existing", None),
                    Landed::Skipped => ("skipped", Some(*id)),
                    Landed::Spooled => ("spooled", None),
                };
                Self { id: Some(*id), outcome, holder, ..Self::default() }
            }
            Err(Error::Rejected(rejection)) => Self::rejected(rejection),
            Err(Error::Conflict { holder }) => {
                Self { outcome: "conflict", holder: Some(*holder), ..Self::default() }
            }
            Err(Error::SpoolFull { depth, limit, why, .. }) => {
                // Whether the queue has it is known only when it said no.
                let outcome = if matches!(**why, Error::Rejected(_)) { "rejected" } else { "unknown" };
                let (reason, depth, limit) = (Some("spool_full"), Some(*depth), Some(*limit));
                Self { outcome, reason, depth, limit, ..Self::default() }
            }
            Err(Error::Spool { why, .. }) if matches!(**why, Error::Rejected(_)) => {
                Self { outcome: "rejected", ..Self::default() }
            }
            // It may have happened, or not.
            Err(_) => Self { outcome: "unknown", ..Self::default() },
        }
    }

    fn rejected(rejection: &'a Rejection) -> Self {
        Self {
            outcome: "rejected",
            reason: Some(rejection.reason.as_str()),
            depth: Some(rejection.depth),
            limit: Some(rejection.limit),
            retry_after: rejection.retry_after.map(|after| after.as_secs().max(1)),
            detail: &rejection.detail,
            ..Self::default()
        }
    }

    /// Says it: JSON has every answer, `-q` and people get the ids of those that are in the queue.
    pub(super) fn say(&self, out: &Out) {
        match (out.form(), self.id) {
            (Form::Json, _) => out.json(self),
            (form, Some(id)) => {
                out.line(id.to_string());
                match (form, self.outcome) {
                    (Form::Table, "spooled") => {
                        out.talk(
                            "spooled: kept here, and delivered when the queue takes it; see skep spool list",
                        );
                    }
                    (Form::Table, "existing" | "skipped") => {
                        out.talk(format!("{}: nothing new was stored", self.outcome));
                    }
                    _ => {}
                }
            }
            (_, None) => {}
        }
    }
}
