//! The contract of a global queue. Each sentence here is a clause of the suite in `testing`.

use async_trait::async_trait;

use crate::{Beat, Claimed, Orders, Pump, Settled, Settlement, Submission, Submitted, TaskType};

/// An error, sorted by what the caller does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It may or may not have happened: ask again, with the same ids.
    #[error("the queue cannot be reached: {0}")]
    Unavailable(String),
    /// It did not happen and will not: give up, and say so.
    #[error("{0}")]
    Refused(String),
    /// The store is damaged: stop, and call somebody.
    #[error("the queue is damaged: {0}")]
    Corrupt(String),
}

/// What a queue answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A global queue: five methods, each a batch.
///
/// A task waits `scheduled` until it is due, then `available`, is `claimed` by a drone, and ends
/// `completed`, `discarded` or `cancelled`. At any time at most one claim of a task is current.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Makes tasks durable, and answers one [`Submitted`] per block, in order.
    ///
    /// * When it answers `Accepted`, every member is durable, once.
    /// * Repeated with the same ids and payloads it answers `Existing` and stores nothing, for as long as
    ///   the tasks are kept, terminal or not; with another payload it answers `Conflict`.
    /// * A queue, and a type within it, never holds more tasks that are not terminal than its capacity, at
    ///   any commit; what exceeds it is `Rejected` with the depth and the limit, and leaves nothing behind.
    /// * A call is all or nothing; a partial one accepts the longest beginning that fits.
    /// * A unique key is held from acceptance until the task is terminal, by one task at a time.
    /// * A payload of any bytes up to the limit comes out as it went in.
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>>;

    /// Claims due tasks within each demand, under one claim id.
    ///
    /// * It hands out at most `room` tasks a demand, the lowest priority number first, then the earliest due,
    ///   then the first submitted.
    /// * No task is handed out before it is due, while it is claimed, or while its type or queue is paused.
    /// * Asked again with the same claim id it answers what is left of that claim, and claims nothing new.
    /// * Every claim of a task raises its fence by one.
    /// * It never waits. It must not be dropped half-way: the claim may be on file.
    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>>;

    /// Ends tasks of claims, each on its own, and answers one [`Settled`] per settlement, in order.
    ///
    /// * Only the claim under which a task was handed out last can settle it; also after a rescue, as long
    ///   as nobody else has claimed it.
    /// * `Complete`, `Discard` and `Cancel` are terminal; `Retry`, `Snooze`, `Release` and `Interrupt` make
    ///   the task available again, now or later, and give up the claim.
    /// * `Retry` and `Discard` count an attempt, `Interrupt` an interruption, the others nothing.
    /// * The same settlement again answers `already`; another claim's, or another outcome, `stale`; a task
    ///   that is not kept, `gone`. None of these changes anything.
    /// * Follow-ups and the postback enter in the same transaction as the ending, or the ending is
    ///   `refused` and nothing of it happened.
    /// * A terminal task is kept for its queue's retention, with its result or error.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>>;

    /// Renews a drone's lease, and answers its orders.
    ///
    /// * Listed claims become this incarnation's; those that are not current are answered as `lost`.
    /// * Claims of this incarnation that it did not list are answered as `phantoms`.
    /// * The tasks of a drone that this queue has itself seen silent for its whole lease, without an outage
    ///   between, become available again, each with one more loss; or are discarded at the limit.
    /// * A drone that is leaving is forgotten.
    async fn beat(&self, beat: Beat) -> Result<Orders>;

    /// Returns when a pump of these types may find something, or orders may wait, or after a while.
    ///
    /// A hint: safe to drop, may return for nothing; a caller polls all the same.
    async fn arrival(&self, types: &[TaskType]);
}
