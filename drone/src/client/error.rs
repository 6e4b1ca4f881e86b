//! What a submitter hears.

use skep_queue::{Rejection, TaskId, admin::State};

/// What a client answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A task that is in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Ask for it with this.
    pub id: TaskId,
    /// How it came there.
    pub landed: Landed,
}

/// How a task came to be in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landed {
    /// It is new, and durable.
    Accepted,
    /// It was there: an earlier submit with this id did it.
    Existing,
    /// Another task has its unique key, and is meant to stand for it: the receipt has that one's id.
    Skipped,
}

/// Why there is no receipt, or no result; sorted by what the caller does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not taken, for a reason that is told: nothing was stored.
    #[error("{0}")]
    Rejected(Rejection),
    /// The id belongs to a task with another payload, or the unique key to another task: nothing was stored.
    #[error("conflict: task {holder} has this id or unique key")]
    Conflict {
        /// Who has it.
        holder: TaskId,
    },
    /// The queue did not answer, or could not.
    #[error(transparent)]
    Queue(#[from] skep_queue::Error),
    /// The task is in the queue, and has not ended yet.
    #[error("timed out: task {id} has not ended yet")]
    TimedOut {
        /// To ask later.
        id: TaskId,
    },
    /// The task ended, but not well.
    #[error("{state}: {error}")]
    Failed {
        /// Which.
        id: TaskId,
        /// How it ended.
        state: State,
        /// What went wrong last.
        error: String,
    },
    /// No such task is kept: never submitted, or ended longer ago than its queue's retention.
    #[error("no task {id}")]
    NotFound {
        /// Which.
        id: TaskId,
    },
}
