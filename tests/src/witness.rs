//! A wrapper next to the queue that writes down what it answered: which claims it granted, which settles it
//! accepted. Faults are injected above it, so that it also sees what nobody heard of.

use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use async_trait::async_trait;
use skep_queue::{
    Admin, Backend, Beat, Block, Claimed, Incarnation, Mask, Orders, Progress, Pump, Queue, QueueName,
    Result, Settlement, Submission, Submitted, TaskId, TaskType,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, TaskDetail, TaskView},
};

use crate::journal::{self, Entry, Journal, Settled, Verdict};

/// A queue that is watched.
pub struct Witness {
    queue: Arc<dyn Backend>,
    journal: Journal,
    /// Answers to what was settled lazily: they are promises once they are flushed.
    unsure: Mutex<Vec<Entry>>,
    ready: Once,
    on_ready: fn(),
}

impl Witness {
    /// Watches a queue; `on_ready` is called at the first beat that it answers.
    #[must_use]
    pub fn new(queue: Arc<dyn Backend>, journal: Journal, on_ready: fn()) -> Self {
        Self { queue, journal, unsure: Mutex::default(), ready: Once::new(), on_ready }
    }

    fn write(&self, entries: &[Entry]) {
        if let Err(error) = self.journal.append(entries) {
            tracing::error!(%error, "the journal cannot be written: the test is void");
        }
    }

    fn granted(&self, claims: &[Claimed]) {
        let (mut entries, at, pid) = (Vec::new(), journal::now(), std::process::id());
        for claimed in claims {
            let (claim, fence) = (claimed.claim, claimed.fence);
            entries.extend(claimed.tasks().map(|task| Entry::Claimed { task, claim, fence, pid, at }));
        }
        self.write(&entries);
    }

    fn settled(settlements: &[Settlement], answers: &[skep_queue::Settled], asked: u64) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (settlement, answer) in settlements.iter().zip(answers) {
            let claim = settlement.claim;
            for ending in &settlement.endings {
                for ordinal in ending.members.iter() {
                    let Some(verdict) = verdict(answer, Mask::one(ordinal)) else { continue };
                    let (task, tag) = (settlement.block.task(ordinal), ending.outcome.tag());
                    entries.push(Entry::Settled(Settled { task, claim, tag, verdict, asked }));
                }
            }
        }
        entries
    }

    fn unsure(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.unsure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn verdict(answer: &skep_queue::Settled, member: Mask) -> Option<Verdict> {
    let within = |mask: Mask| !(mask & member).is_empty();
    match () {
        () if within(answer.accepted) => Some(Verdict::Accepted),
        () if within(answer.already) => Some(Verdict::Already),
        () if within(answer.stale | answer.gone) => Some(Verdict::Late),
        () => None,
    }
}

/// The first so many tasks of a block.
fn tasks(block: &Block, most: usize) -> Vec<TaskId> {
    block.mask().iter().take(most).map(|ordinal| block.id.task(ordinal)).collect()
}

#[async_trait]
impl Queue for Witness {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        let blocks = submission.blocks.clone();
        let offered = blocks.iter().flat_map(|block| tasks(block, usize::MAX));
        self.write(&offered.map(|task| Entry::Offered { task }).collect::<Vec<_>>());
        let answers = self.queue.submit(submission).await?;
        let taken = blocks.iter().zip(&answers).flat_map(|(block, answer)| match answer {
            // Existing: it had been taken when the answer got lost.
            Submitted::Accepted | Submitted::Existing => tasks(block, usize::MAX),
            Submitted::Partly { accepted, .. } => tasks(block, *accepted),
            _ => Vec::new(),
        });
        self.write(&taken.map(|task| Entry::Submitted { task }).collect::<Vec<_>>());
        Ok(answers)
    }

    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        let claims = self.queue.pump(pump).await?;
        self.granted(&claims);
        Ok(claims)
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<skep_queue::Settled>> {
        let asked = journal::now();
        let answers = self.queue.settle(settlements.clone()).await?;
        self.write(&Self::settled(&settlements, &answers, asked));
        Ok(answers)
    }

    async fn settle_lazily(
        &self,
        drone: Incarnation,
        settlements: Vec<Settlement>,
    ) -> Result<Vec<skep_queue::Settled>> {
        let asked = journal::now();
        let answers = self.queue.settle_lazily(drone, settlements.clone()).await?;
        self.unsure().extend(Self::settled(&settlements, &answers, asked));
        Ok(answers)
    }

    async fn flush(&self, drone: Incarnation) -> Result<bool> {
        let promised = std::mem::take(&mut *self.unsure());
        let durable = self.queue.flush(drone).await?;
        if durable {
            self.write(&promised);
        }
        Ok(durable)
    }

    async fn beat(&self, beat: Beat) -> Result<Orders> {
        let orders = self.queue.beat(beat).await?;
        self.ready.call_once(self.on_ready);
        Ok(orders)
    }

    async fn arrival(&self, types: &[TaskType]) {
        self.queue.arrival(types).await;
    }

    async fn progress(&self, notes: Vec<Progress>) -> Result<()> {
        self.queue.progress(notes).await
    }
}

#[async_trait]
impl Admin for Witness {
    async fn queues(&self) -> Result<Vec<QueueView>> {
        self.queue.queues().await
    }

    async fn find(&self, filter: Filter) -> Result<Vec<TaskView>> {
        self.queue.find(filter).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<TaskDetail>> {
        self.queue.task(id).await
    }

    async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>> {
        self.queue.act(act, ids).await
    }

    async fn set(&self, queue: QueueName, task_type: Option<TaskType>, setting: Setting) -> Result<()> {
        self.queue.set(queue, task_type, setting).await
    }

    async fn drones(&self) -> Result<Vec<DroneView>> {
        self.queue.drones().await
    }

    async fn drain(&self, drone: Incarnation) -> Result<bool> {
        self.queue.drain(drone).await
    }

    async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        self.queue.rescue(drone).await
    }
}
