//! The contract of a global queue. Each sentence here is a clause of the suite in `testing`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Beat, Claimed, Incarnation, Orders, Progress, Pump, Settled, Settlement, Submission, Submitted, TaskType,
};

/// An error, sorted by what the caller does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
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
    ///   the tasks are kept, terminal or not; with another payload, type or queue it answers `Conflict`. A
    ///   block is known as long as one of its members is kept: those that are not had ended.
    /// * The checks of a block come in this order: its form, its id, what the queue takes just now (no payload
    ///   above its limit, then its intake), its unique key, the capacity of the queue, the capacity of the
    ///   type. The form: 1 to 128 members; several only under an id that ends in 16 zero bits and in at most
    ///   64 KiB; a unique key of 1 to 256 bytes, and in a block of one; JSON that is JSON. So what was accepted
    ///   is answered as `Existing` whatever the queue takes now.
    /// * A queue, and a type within it, never holds more tasks that are not terminal than its capacity, at
    ///   any commit; what exceeds it is `Rejected` with the depth and the limit, and leaves nothing behind.
    /// * A call is all or nothing: when a block is rejected or conflicts, nothing is stored, and the other
    ///   blocks answer the same rejection (of a conflict: `invalid`, naming it). `Existing` and `Skipped`
    ///   fail no call.
    /// * A partial call answers each block on its own, and accepts the longest beginning that fits: once a
    ///   queue or type refused a member, it refuses all that follow. A block that was accepted in part stays
    ///   as it is: asked again it answers the same `Partly` (in a call that is not partial: `Conflict`), and
    ///   the other members go under a new id.
    /// * A task is due from `run_at`: its acceptance for `Due::Now`, a moment that has passed as it is given.
    ///   What is available stays so, whichever way the wall clock steps.
    /// * A unique key is held from acceptance until the task is terminal, by one task of the queue at a
    ///   time. Replacing who holds it cancels that task, postback and all, in the same transaction.
    /// * A payload of any bytes up to the limit comes out as it went in.
    /// * Once an answer is out, whatever was accepted before it is durable too, by
    ///   [`submit_lazily`](Queue::submit_lazily) also; so it is with an empty submission.
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>>;

    /// Submits for somebody who hears nothing of it before the task has ended: `Accepted` does not mean durable
    /// yet.
    ///
    /// It is when a later submit or settle has been answered; until then a power cut (not a crash) may undo it,
    /// as if it had never been asked for. In all else it is as [`submit`](Queue::submit), and a backend in which
    /// durability costs nothing more has no other.
    async fn submit_lazily(&self, submission: Submission) -> Result<Vec<Submitted>> {
        self.submit(submission).await
    }

    /// Claims due tasks within each demand, under one claim id.
    ///
    /// * It hands out at most `room` tasks a demand, the lowest priority number first, then the earliest due,
    ///   then the first submitted. Among members of one block due at the same moment the choice is free once
    ///   some were given back, and so it is among postbacks that entered together; the grouping and order of
    ///   the answer's rows always are.
    /// * In a queue with [`PromoteAfter`](crate::admin::Setting::PromoteAfter) a task that has been due for k
    ///   times so long counts as one whose priority number is k lower, but never below 1. Under that it is handed
    ///   out, also when it is asked for again; what is shown as its priority stays.
    /// * No task is handed out before it is due, while it is claimed, or while its type or queue is paused.
    /// * Asked again with the same claim id it answers what is left of that claim, and claims nothing new.
    ///   (A claim whose tasks are all settled may be forgotten: a drone uses an id for one batch.)
    /// * Every claim of a task raises its fence by one.
    /// * A drone that pumps before it ever beat is known from then on, with the default lease: what it has
    ///   can be rescued.
    /// * It never waits. It must not be dropped half-way: the claim may be on file.
    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>>;

    /// Ends tasks of claims, each on its own, and answers one [`Settled`] per settlement, in order.
    ///
    /// * Only the claim under which a task was handed out last can settle it; also after a rescue, as long
    ///   as nobody else has claimed it. The task is then settled from where it waits.
    /// * `Complete`, `Discard` and `Cancel` are terminal; `Retry`, `Snooze`, `Release` and `Interrupt` make
    ///   the task available again, now or later, and give up the claim. `Release` and `Interrupt` leave it
    ///   its `run_at`; after a delay of zero it is available, with `run_at` now. When its cancel was
    ///   requested, it is cancelled instead.
    /// * `Retry` and `Discard` count an attempt, `Interrupt` an interruption, the others nothing. The limit
    ///   on attempts is the drone's affair; at [`MAX_INTERRUPTIONS`](crate::outcome::MAX_INTERRUPTIONS) the
    ///   task is discarded. `Retry` sets `suspect` to its failure's, `Release` leaves it, the others clear
    ///   it.
    /// * What was accepted last, settled again by the same claim with the same
    ///   [`tag`](crate::Outcome::tag), answers `already`; another claim's, or another outcome, `stale`; a
    ///   task that is not kept, `gone`. None of these changes anything.
    /// * The ending's members leave, then follow-ups and postbacks enter, under the rules of a submit that is
    ///   not partial, in one transaction; or the ending, for all its members, is `refused` and nothing of it
    ///   happened. What the queue takes (intake, `max_payload`) binds submitters, not these.
    ///   When no member's ending is accepted, nothing enters.
    /// * A postback follows whatever makes a task terminal: a settle, an operator, a replacement, a rescue.
    /// * `Retry`, `Discard`, `Cancel` and `Interrupt`, a loss, an operator's word and a replacement are each
    ///   written to the task's history; the last of it is the task's error.
    /// * A terminal task is kept for its queue's retention, with its result or error.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>>;

    /// Settles for a drone that keeps the outcomes: `accepted` and `already` do not mean durable yet.
    ///
    /// They are when a later [`flush`](Queue::flush) of this drone has answered true; until then a crash of the
    /// store may undo them, as if they had never been asked for: whoever asks keeps the outcomes until then, and
    /// settles them again otherwise. A `settle` that answers `accepted` or `already` of the same is as good. In
    /// all else it is as [`settle`](Queue::settle), and a backend in which durability costs nothing more has no
    /// other.
    async fn settle_lazily(&self, drone: Incarnation, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        let _ = drone;
        self.settle(settlements).await
    }

    /// Returns when what this drone settled lazily is durable. False: some of it may have been undone, and all of
    /// it is to be settled again; what was not answers `already`.
    async fn flush(&self, drone: Incarnation) -> Result<bool> {
        let _ = drone;
        Ok(true)
    }

    /// Renews a drone's lease, and answers its orders.
    ///
    /// * Listed claims become this incarnation's; those under which nothing is claimed are answered as
    ///   `lost`.
    /// * Claims of this incarnation that it did not list are answered as `phantoms`.
    /// * The tasks of a drone that this queue has itself seen silent for its whole lease, without an outage
    ///   between, become available again at their old `run_at`, each with one more loss; or are discarded at
    ///   the limit, or at once with `OnLost::Fail`, or cancelled when that was requested. Then the drone is
    ///   forgotten. While a postback has no room its task stays claimed, and the drone known, to the next
    ///   look.
    /// * A drone that was forgotten and beats again begins a new lease.
    /// * Adoption comes before rescue, so a successor's first beat saves what it lists.
    /// * A cancel that was requested is in the orders of every beat of its holder until the task ends; so are
    ///   the paused types, of those that the drone serves: all of them when its queue is paused.
    /// * A drone that is leaving is forgotten; what the queue still has for it is released.
    async fn beat(&self, beat: Beat) -> Result<Orders>;

    /// Returns when a pump of these types (of any, when empty) may find something, or orders may wait, or
    /// after a while.
    ///
    /// A hint: safe to drop, may return for nothing; a caller polls all the same.
    async fn arrival(&self, types: &[TaskType]);

    /// Whether calls take effect in the order in which they were begun, so that a claim that is begun after a submit
    /// finds what that brings, answered or not. No, unless a backend says otherwise.
    fn in_turn(&self) -> bool {
        false
    }

    /// Tells how running tasks get on.
    ///
    /// A hint: it may be dropped, and a backend that nobody can watch drops it. It changes no task.
    async fn progress(&self, notes: Vec<Progress>) -> Result<()> {
        drop(notes);
        Ok(())
    }
}
