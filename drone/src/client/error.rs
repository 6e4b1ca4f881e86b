//! What a submitter hears.

use skep_queue::{Rejection, TaskId, admin::State};

/// What a client answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A task that is in the queue, or in the spool: look at how it landed.
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
    /// It is in the spool only, and durable there. The queue has not checked it: it may still refuse it.
    Spooled,
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
    /// The queue did not take it, and the spool has no room. When the queue did not answer, it may have it
    /// all the same: submit again under the same id.
    #[error("spool_full: {depth} of {limit} {unit}; {why}")]
    SpoolFull {
        /// How much there is in the spool.
        depth: u64,
        /// How much there may be.
        limit: u64,
        /// `tasks` or `bytes`.
        unit: &'static str,
        /// What the queue said.
        why: Box<Error>,
    },
    /// The queue did not take it, and the spool cannot be used.
    #[error("{why}; and it could not be spooled: {spool}")]
    Spool {
        /// What is wrong with the spool.
        spool: String,
        /// What the queue said.
        why: Box<Error>,
    },
    /// The task waits in the spool, so that there is nothing to wait for in the queue.
    #[error("task {id} is spooled, and not in the queue yet")]
    Spooled {
        /// To ask later.
        id: TaskId,
    },
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
