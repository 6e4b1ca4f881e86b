//! One lane to the queue. No timer: what arrives while a call is on its way goes with the next one. So a
//! lone submitter waits for nobody, and a thousand share a few calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skep_queue::{Error as QueueError, Submission, Submitted};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::{
    OnDown, Shared,
    error::{Error, Receipt, Result},
    pack::{pack, unpack, unpack_block},
    patience::Patience,
    spooling::Answer,
    task::NewTask,
};

/// Most tasks of one call, and about the most bytes.
const MOST: (usize, usize) = (8192, 4 * 1024 * 1024);

#[derive(Clone)]
pub(super) struct Lane(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    on_down: OnDown,
    waiting: Mutex<Waiting>,
    tracker: TaskTracker,
}

#[derive(Default)]
struct Waiting {
    passengers: Vec<Passenger>,
    /// A task is driving: it takes whoever waits, until nobody does.
    driving: bool,
}

struct Passenger {
    task: NewTask,
    answer: oneshot::Sender<Result<Receipt>>,
}

/// A driver that ends on the way: the backend panicked, or the runtime ends. Nobody may wait for it.
struct Crash<'a>(&'a Lane);

impl Drop for Crash<'_> {
    fn drop(&mut self) {
        *self.0.waiting() = Waiting::default();
    }
}

impl Lane {
    pub(super) fn new(shared: Arc<Shared>, on_down: OnDown) -> Self {
        Self(Arc::new(Inner { shared, on_down, waiting: Mutex::default(), tracker: TaskTracker::new() }))
    }

    pub(super) fn on_down(&self) -> OnDown {
        self.0.on_down
    }

    /// Submits one task with others. It is on its way once this was polled, even if it is dropped.
    pub(super) async fn submit(&self, task: NewTask) -> Result<Receipt> {
        let (answer, answered) = oneshot::channel();
        let drive = {
            let mut waiting = self.waiting();
            waiting.passengers.push(Passenger { task, answer });
            !std::mem::replace(&mut waiting.driving, true)
        };
        if drive {
            // A task of its own, since the first submitter may be dropped while others wait.
            let lane = self.clone();
            self.0.tracker.spawn(async move { lane.drive().await });
        }
        let gone = || Error::Queue(QueueError::Unavailable("the call ended without an answer".into()));
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    async fn drive(&self) {
        let crash = Crash(self);
        loop {
            let passengers = self.board();
            if passengers.is_empty() {
                // It left in good order, and another may be driving by now.
                return std::mem::forget(crash);
            }
            self.ride(passengers).await;
        }
    }

    /// Those who go with the next call; the driver leaves when there is nobody.
    fn board(&self) -> Vec<Passenger> {
        let mut waiting = self.waiting();
        let mut bytes = 0;
        let fits = |passenger: &&Passenger| {
            bytes += passenger.task.size();
            bytes <= MOST.1
        };
        // At least one, however large.
        let n = waiting.passengers.iter().take(MOST.0).take_while(fits).count().max(1);
        let n = n.min(waiting.passengers.len());
        waiting.driving = n > 0;
        let rest = waiting.passengers.split_off(n);
        std::mem::replace(&mut waiting.passengers, rest)
    }

    async fn ride(&self, passengers: Vec<Passenger>) {
        let (tasks, waiting): (Vec<_>, Vec<_>) = passengers.into_iter().map(|p| (p.task, p.answer)).unzip();
        let answers = self.submit_all(&tasks).await;
        for (waiting, answer) in waiting.into_iter().zip(answers) {
            // A submitter that is gone needs no answer.
            let _ = waiting.send(answer);
        }
    }

    /// Each task with an answer of its own, in order.
    async fn submit_all(&self, tasks: &[NewTask]) -> Vec<Result<Receipt>> {
        let blocks = pack(tasks, self.0.shared.clock.as_ref(), self.0.shared.random.as_ref());
        let submission = Submission { blocks, partial: true };
        let answers = match self.send(&submission).await {
            Ok(answers) => answers,
            Err(error) => return vec![Err(error); tasks.len()],
        };
        let mut all = Vec::with_capacity(tasks.len());
        for (block, answer) in submission.blocks.iter().zip(&answers) {
            let members = &tasks[all.len()..][..block.payloads.len()];
            match answer {
                // One bad member spoils its block, but strangers must not suffer for it.
                Answer::Queue(Submitted::Rejected(no)) if members.len() > 1 && !no.reason.passes() => {
                    all.extend(self.submit_apart(members).await);
                }
                answer => all.extend(unpack_block(block, answer)),
            }
        }
        all
    }

    async fn submit_apart(&self, tasks: &[NewTask]) -> Vec<Result<Receipt>> {
        let (clock, random) = (self.0.shared.clock.as_ref(), self.0.shared.random.as_ref());
        let blocks = tasks.iter().flat_map(|task| pack(std::slice::from_ref(task), clock, random)).collect();
        let submission = Submission { blocks, partial: true };
        match self.send(&submission).await {
            Ok(answers) => unpack(&submission.blocks, answers),
            Err(error) => vec![Err(error); tasks.len()],
        }
    }

    /// One call, repeated as it is while the queue is down and patience lasts; or, under the same ids, spooled.
    pub(super) async fn send(&self, submission: &Submission) -> Result<Vec<Answer>> {
        let Shared { backend, clock, random, .. } = self.0.shared.as_ref();
        let answers = if self.0.on_down == OnDown::Spool {
            let spooling = self.0.shared.spooling()?;
            match spooling.reach(backend.as_ref(), submission, (clock.as_ref(), random.as_ref())).await {
                Err(error @ QueueError::Unavailable(_)) => {
                    return spooling.keep(submission, error.into()).await;
                }
                answers => answers?,
            }
        } else {
            let mut patience = Patience::new(self.0.on_down.time(), random.as_ref());
            loop {
                match backend.submit(submission.clone()).await {
                    Err(QueueError::Unavailable(_)) if patience.wait(None).await => {}
                    answers => break answers?,
                }
            }
        };
        Ok(answers.into_iter().map(Answer::Queue).collect())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
