//! The library's way to submit, and to wait for what comes of it.
//!
//! | read | for |
//! | --- | --- |
//! | [`NewTask`] | what to submit |
//! | [`Client`] | submitting, calling, waiting |
//! | [`Error`] | what may come back instead |
//! | `lane` | how concurrent submits share calls |
//! | [`Client::spool`] | what becomes of submissions while the queue is away |

mod error;
mod lane;
mod pack;
mod patience;
mod push;
mod spooling;
mod task;

use std::{sync::Arc, time::Duration};

use serde_json::value::RawValue;
use skep_queue::{
    Backend, Clock, Random, Submission, TaskId,
    admin::{State, TaskDetail, TaskView},
};

use self::{lane::Lane, pack::pack, patience::Patience, spooling::Spooling};
use crate::backend::manager::Manager;
pub use error::{Error, Landed, Receipt, Result};
pub use task::{NewTask, TaskError};

/// How often to look at a task at first, and in the long run.
const LOOKS: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(50)];

/// What to do when there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFull {
    /// Answer the rejection.
    #[default]
    Reject,
    /// Try again for so long; then answer the rejection.
    Wait(Duration),
    /// Keep it in the [spool](Client::spool): it is delivered when there is room.
    Spool,
}

/// What to do when the queue cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDown {
    /// Answer that. It may or may not have happened: a submitter who must know brings an id of its own, and
    /// submits again.
    #[default]
    Fail,
    /// Try again, with the same ids, for so long; then answer that.
    Wait(Duration),
    /// Keep it in the [spool](Client::spool), under the same ids: it is delivered when the queue is back. Each
    /// try is bounded by 2 s, and none is made while the last one is a moment ago.
    Spool,
}

/// Submits to a backend. Cheap to clone; clones share calls.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    lane: Lane,
    on_full: OnFull,
    manager: Option<Arc<Manager>>,
}

/// What the client and its lane work with.
struct Shared {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    spooling: Option<Spooling>,
}

impl Client {
    /// A client that waits for nothing: see [`on_full`](Self::on_full) and [`on_down`](Self::on_down).
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let shared = Arc::new(Shared { backend, clock, random, spooling: None });
        let lane = Lane::new(shared.clone(), OnDown::Fail);
        Self { lane, shared, on_full: OnFull::Reject, manager: None }
    }

    /// With another answer to a full queue.
    #[must_use]
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.on_full = on_full;
        self
    }

    /// With another answer to a queue that is down.
    #[must_use]
    pub fn on_down(mut self, on_down: OnDown) -> Self {
        self.lane = Lane::new(self.shared.clone(), on_down);
        self
    }

    /// Submits one task. Concurrent submits travel together; each has its own answer.
    ///
    /// # Errors
    /// When the task is not accepted, or that is not known.
    pub async fn submit(&self, task: NewTask) -> Result<Receipt> {
        let mut patience = Patience::new(self.on_full.time(), self.shared.random.as_ref());
        loop {
            match self.lane.submit(task.clone()).await {
                Err(Error::Rejected(no)) if no.reason.passes() && patience.wait(no.retry_after).await => {}
                Err(error @ Error::Rejected(_)) if self.spools(&error) => {
                    let one = self.keep(std::slice::from_ref(&task), true, error.clone()).await?;
                    return one.into_iter().next().unwrap_or(Err(error));
                }
                answer => return answer,
            }
        }
    }

    /// Submits tasks in one call: all or nothing, or, when `partial`, the longest beginning that fits.
    /// Answers one by one, in order.
    ///
    /// # Errors
    /// When the queue cannot be reached, or refuses to work at all.
    pub async fn submit_many(&self, tasks: &[NewTask], partial: bool) -> Result<Vec<Result<Receipt>>> {
        let mut patience = Patience::new(self.on_full.time(), self.shared.random.as_ref());
        let mut answers: Vec<Option<Result<Receipt>>> = vec![None; tasks.len()];
        loop {
            let open: Vec<usize> = (0..tasks.len()).filter(|i| is_open(answers[*i].as_ref())).collect();
            let these: Vec<NewTask> = open.iter().map(|i| tasks[*i].clone()).collect();
            let again = self.attempt(&these, partial).await?;
            let retry_after = again.iter().find_map(|answer| match answer {
                Err(Error::Rejected(no)) if no.reason.passes() => Some(no.retry_after),
                _ => None,
            });
            open.into_iter().zip(again).for_each(|(i, answer)| answers[i] = Some(answer));
            match retry_after {
                Some(after) if patience.wait(after).await => {}
                Some(_) if self.on_full == OnFull::Spool => break,
                _ => return Ok(answers.into_iter().flatten().collect()),
            }
        }
        self.spool_rest(tasks, partial, answers).await
    }

    /// One call. When it is not partial, all its tasks have the same fate.
    async fn attempt(&self, tasks: &[NewTask], partial: bool) -> Result<Vec<Result<Receipt>>> {
        let blocks = pack(tasks, self.shared.clock.as_ref(), self.shared.random.as_ref());
        let submission = Submission { blocks, partial };
        let answers = self.lane.send(&submission).await?;
        Ok(pack::unpack(&submission.blocks, answers))
    }

    /// Submits a task and waits until it has ended well, for at most `timeout` in all.
    ///
    /// # Errors
    /// When it is not accepted, ends in another way ([`Error::Failed`]), or takes longer.
    pub async fn call(&self, task: NewTask, timeout: Duration) -> Result<Option<Box<RawValue>>> {
        // A submit is never dropped half-way, which would leave its outcome unknown.
        let begun = self.shared.clock.elapsed();
        let Receipt { id, landed } = self.submit(task).await?;
        if landed == Landed::Spooled {
            return Err(Error::Spooled { id });
        }
        let left = timeout.saturating_sub(self.shared.clock.elapsed().saturating_sub(begun));
        self.outcome(id, left, |_| {}).await
    }

    /// The task as it is now; none when it is not kept.
    ///
    /// # Errors
    /// When the queue does not answer.
    pub async fn result(&self, id: TaskId) -> Result<Option<TaskView>> {
        Ok(self.detail(id).await?.map(|detail| detail.view))
    }

    /// Waits until a task has ended, in whichever way.
    ///
    /// # Errors
    /// When it is not kept, or takes longer.
    pub async fn wait(&self, id: TaskId, timeout: Duration) -> Result<TaskView> {
        let ended = tokio::time::timeout(timeout, self.ended(id)).await;
        ended.unwrap_or(Err(Error::TimedOut { id }))
    }

    async fn ended(&self, id: TaskId) -> Result<TaskView> {
        let [mut pause, longest] = LOOKS;
        loop {
            match self.result(id).await? {
                Some(view) if view.state.is_terminal() => return Ok(view),
                Some(_) => tokio::time::sleep(pause).await,
                None => return Err(Error::NotFound { id }),
            }
            pause = (pause * 3 / 2).min(longest);
        }
    }

    async fn detail(&self, id: TaskId) -> Result<Option<TaskDetail>> {
        let mut patience = Patience::new(self.lane.on_down().time(), self.shared.random.as_ref());
        loop {
            match self.shared.backend.task(id).await {
                Err(skep_queue::Error::Unavailable(_)) if patience.wait(None).await => {}
                answer => return Ok(answer?),
            }
        }
    }
}

/// What a task that ended is to its caller.
///
/// # Errors
/// When it did not end well.
pub fn finish(view: TaskView) -> Result<Option<Box<RawValue>>> {
    match view.state {
        State::Completed => Ok(view.result),
        state => Err(Error::Failed { id: view.id, state, error: view.error.unwrap_or_default() }),
    }
}

/// Whether a task still wants an answer.
fn is_open(answer: Option<&Result<Receipt>>) -> bool {
    match answer {
        None => true,
        Some(Err(Error::Rejected(rejection))) => rejection.reason.passes(),
        Some(_) => false,
    }
}

// === impl OnFull, OnDown ===

impl OnFull {
    const fn time(self) -> Duration {
        match self {
            Self::Reject | Self::Spool => Duration::ZERO,
            Self::Wait(time) => time,
        }
    }
}

impl OnDown {
    const fn time(self) -> Duration {
        match self {
            Self::Fail | Self::Spool => Duration::ZERO,
            Self::Wait(time) => time,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
