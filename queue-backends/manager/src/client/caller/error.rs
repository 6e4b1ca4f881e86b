//! What a caller hears instead of a result.

use skep_queue::{Cause, Rejection, TaskId, admin::State};

/// What a client answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no id, or no result; sorted by what the caller does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no task: a name that is none, a payload that cannot be JSON. Nothing was sent.
    #[error("not a task: {0}")]
    Invalid(String),
    /// Not taken, with the depth, the limit and the expected wait: nothing was stored.
    #[error("{0}")]
    Rejected(Rejection),
    /// The id belongs to a task with another payload, or the unique key to another task: nothing was stored.
    #[error("conflict: task {holder} has this id or unique key")]
    Conflict {
        /// Who has it.
        holder: TaskId,
    },
    /// It ended, but not well.
    #[error("{state}: {error}")]
    Failed {
        /// Which task.
        id: TaskId,
        /// How it ended.
        state: State,
        /// What went wrong last.
        error: String,
        /// What that was, if it is known.
        cause: Option<Cause>,
    },
    /// Its drone is gone, and it was not to be run again: it may have run, or a part of it.
    #[error("lost: the drone that ran task {id} is gone")]
    Lost {
        /// Which task.
        id: TaskId,
    },
    /// It has not ended within the time. It goes on: collect it later.
    #[error("timed out: task {id} has not ended yet")]
    TimedOut {
        /// Which task.
        id: TaskId,
    },
    /// No such task is kept: never submitted, or ended longer ago than its queue's retention.
    #[error("no task {id}")]
    NotKept {
        /// Which task.
        id: TaskId,
    },
    /// It ended well, and its result is none of the type that was asked for.
    #[error("the result of task {id} is not what was asked for: {why}")]
    Result {
        /// Which task.
        id: TaskId,
        /// In words.
        why: String,
    },
    /// No manager answered within the time; why not.
    #[error("no manager answers: {0}")]
    Unavailable(String),
    /// The manager will not do it: the key has no such right, or the store is damaged.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// Whether the system was full, or had nobody to do it: the backlog is the caller's own.
    #[must_use]
    pub const fn is_rejection(&self) -> bool {
        matches!(self, Self::Rejected(_))
    }
}

impl From<skep_queue::Error> for Error {
    fn from(error: skep_queue::Error) -> Self {
        match error {
            skep_queue::Error::Unavailable(why) => Self::Unavailable(why),
            other => Self::Refused(other.to_string()),
        }
    }
}
