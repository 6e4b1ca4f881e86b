//! Counting: a wrapper that tells how a queue fares. Backends contain no telemetry; this does it for all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde::Serialize;
use tracing::Instrument;

use crate::{
    Beat, Claimed, Clock, Error, Incarnation, Orders, Progress, Pump, Queue, Result, Settled, Settlement,
    Submission, Submitted, TaskType,
};

/// A queue that counts what is asked of it, and how long that takes.
pub struct Observed<Q: ?Sized> {
    clock: Arc<dyn Clock>,
    counts: Arc<Counts>,
    queue: Arc<Q>,
}

/// What was counted so far; shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Counts {
    submit: Call,
    pump: Call,
    settle: Call,
    beat: Call,
    tasks: [AtomicU64; Tasks::ALL.len()],
}

#[derive(Debug, Default)]
struct Call {
    calls: AtomicU64,
    unavailable: AtomicU64,
    refused: AtomicU64,
    micros: AtomicU64,
    longest: AtomicU64,
}

/// Tasks, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tasks {
    Accepted,
    Existing,
    Rejected,
    Claimed,
    Settled,
    Already,
    Stale,
    Gone,
    Refused,
    LostClaims,
    Phantoms,
}

/// The counts at one moment; they only grow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// By method.
    pub calls: Vec<CallCount>,
    /// By what became of them: name, number.
    pub tasks: Vec<(&'static str, u64)>,
}

/// How often a method was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallCount {
    /// The method's name.
    pub method: &'static str,
    /// All calls that ended.
    pub calls: u64,
    /// Those that found the queue unreachable.
    pub unavailable: u64,
    /// Those that the queue refused, or could not serve for damage.
    pub refused: u64,
    /// How long all of them took together.
    pub total: Duration,
    /// How long the longest took.
    pub longest: Duration,
}

impl Tasks {
    const ALL: [(Self, &'static str); 11] = [
        (Self::Accepted, "accepted"),
        (Self::Existing, "existing"),
        (Self::Rejected, "rejected"),
        (Self::Claimed, "claimed"),
        (Self::Settled, "settled"),
        (Self::Already, "already"),
        (Self::Stale, "stale"),
        (Self::Gone, "gone"),
        (Self::Refused, "refused"),
        (Self::LostClaims, "lost_claims"),
        (Self::Phantoms, "phantoms"),
    ];
}

// === impl Counts ===

impl Counts {
    /// What was counted so far.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let calls =
            [("submit", &self.submit), ("pump", &self.pump), ("settle", &self.settle), ("beat", &self.beat)];
        let tasks = Tasks::ALL.iter().map(|(which, name)| (*name, self.tasks[*which as usize].load(Relaxed)));
        Snapshot {
            calls: calls.into_iter().map(|(method, call)| call.count(method)).collect(),
            tasks: tasks.collect(),
        }
    }

    fn add(&self, which: Tasks, tasks: usize) {
        self.tasks[which as usize].fetch_add(tasks as u64, Relaxed);
    }

    fn submitted(&self, sizes: &[usize], answers: &[Submitted]) {
        for (size, answer) in sizes.iter().zip(answers) {
            match answer {
                Submitted::Accepted => self.add(Tasks::Accepted, *size),
                Submitted::Existing => self.add(Tasks::Existing, *size),
                Submitted::Partly { accepted, .. } => {
                    self.add(Tasks::Accepted, *accepted);
                    self.add(Tasks::Rejected, size.saturating_sub(*accepted));
                }
                Submitted::Skipped { .. } | Submitted::Conflict { .. } | Submitted::Rejected(_) => {
                    self.add(Tasks::Rejected, *size);
                }
            }
        }
    }

    fn settled(&self, answers: &[Settled]) {
        for answer in answers {
            self.add(Tasks::Settled, answer.accepted.len());
            self.add(Tasks::Already, answer.already.len());
            self.add(Tasks::Stale, answer.stale.len());
            self.add(Tasks::Gone, answer.gone.len());
            self.add(Tasks::Refused, answer.refused.len());
        }
    }
}

impl Call {
    fn ended<T>(&self, took: Duration, answer: &Result<T>) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.calls.fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
        self.longest.fetch_max(micros, Relaxed);
        match answer {
            Ok(_) => {}
            Err(Error::Unavailable(_)) => drop(self.unavailable.fetch_add(1, Relaxed)),
            Err(Error::Refused(_) | Error::Corrupt(_)) => drop(self.refused.fetch_add(1, Relaxed)),
        }
    }

    fn count(&self, method: &'static str) -> CallCount {
        CallCount {
            method,
            calls: self.calls.load(Relaxed),
            unavailable: self.unavailable.load(Relaxed),
            refused: self.refused.load(Relaxed),
            total: Duration::from_micros(self.micros.load(Relaxed)),
            longest: Duration::from_micros(self.longest.load(Relaxed)),
        }
    }
}

// === impl Observed ===

impl<Q: Queue + ?Sized> Observed<Q> {
    /// Counts what is asked of `queue` from here on.
    pub fn new(queue: Arc<Q>, clock: Arc<dyn Clock>) -> Self {
        Self { clock, counts: Arc::default(), queue }
    }

    /// What it counts.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    async fn timed<T>(&self, call: &Call, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let since = self.clock.elapsed();
        let answer = answer.await;
        call.ended(self.clock.elapsed().saturating_sub(since), &answer);
        answer
    }
}

#[async_trait]
impl<Q: Queue + ?Sized> Queue for Observed<Q> {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        let sizes: Vec<usize> = submission.blocks.iter().map(|block| block.payloads.len()).collect();
        let span = tracing::debug_span!("submit", blocks = sizes.len());
        let answers = self.timed(&self.counts.submit, self.queue.submit(submission).instrument(span)).await?;
        self.counts.submitted(&sizes, &answers);
        Ok(answers)
    }

    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        let span = tracing::debug_span!("pump", claim = %pump.claim);
        let claimed = self.timed(&self.counts.pump, self.queue.pump(pump).instrument(span)).await?;
        self.counts.add(Tasks::Claimed, claimed.iter().map(|claimed| claimed.live.len()).sum());
        Ok(claimed)
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        let span = tracing::debug_span!("settle", blocks = settlements.len());
        let answers =
            self.timed(&self.counts.settle, self.queue.settle(settlements).instrument(span)).await?;
        self.counts.settled(&answers);
        Ok(answers)
    }

    async fn settle_lazily(&self, drone: Incarnation, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        let span = tracing::debug_span!("settle_lazily", blocks = settlements.len());
        let settling = self.queue.settle_lazily(drone, settlements).instrument(span);
        let answers = self.timed(&self.counts.settle, settling).await?;
        self.counts.settled(&answers);
        Ok(answers)
    }

    async fn flush(&self, drone: Incarnation) -> Result<bool> {
        self.queue.flush(drone).instrument(tracing::debug_span!("flush")).await
    }

    async fn beat(&self, beat: Beat) -> Result<Orders> {
        let span = tracing::debug_span!("beat", held = beat.held.len());
        let orders = self.timed(&self.counts.beat, self.queue.beat(beat).instrument(span)).await?;
        self.counts.add(Tasks::LostClaims, orders.lost.len());
        self.counts.add(Tasks::Phantoms, orders.phantoms.len());
        Ok(orders)
    }

    async fn arrival(&self, types: &[TaskType]) {
        self.queue.arrival(types).await;
    }

    async fn progress(&self, notes: Vec<Progress>) -> Result<()> {
        self.queue.progress(notes).await
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::{
        admin::{Admin, Setting},
        testing::{Bench, Faults, Flaky, Model, TestClock},
    };

    fn number(counts: &Counts, name: &str) -> u64 {
        counts.snapshot().tasks.iter().find(|(of, _)| *of == name).map_or(0, |(_, number)| *number)
    }

    #[tokio::test]
    async fn every_task_is_counted_where_it_went() {
        let clock = TestClock::new();
        let model = Arc::new(Model::new(Arc::clone(&clock) as _));
        let bench = Bench::of_model(model.again(), Arc::clone(&clock));
        model.set(crate::QueueName::default(), None, Setting::Capacity(Some(5))).await.unwrap();
        let queue = Observed::new(model, clock);
        let counts = queue.counts();
        let block = bench.many("t", 3);
        for _ in 0..2 {
            queue.submit(Submission::whole(vec![block.clone()])).await.unwrap();
        }
        queue.submit(Submission { blocks: vec![bench.many("t", 4)], partial: true }).await.unwrap();
        assert_eq!([number(&counts, "accepted"), number(&counts, "existing")], [5, 3]);
        assert_eq!(number(&counts, "rejected"), 2);
        assert_eq!((counts.snapshot().calls[0].calls, counts.snapshot().calls[0].unavailable), (3, 0));
    }

    #[tokio::test]
    async fn a_queue_that_is_down_is_counted_as_such() {
        let clock = TestClock::new();
        let flaky = Arc::new(Flaky::new(Arc::new(Model::new(Arc::clone(&clock) as _)), 1, Faults::default()));
        flaky.down(true);
        let queue = Observed::new(flaky, clock);
        assert!(queue.submit(Submission::whole(Vec::new())).await.is_err());
        let submit = &queue.counts().snapshot().calls[0];
        assert_eq!((submit.calls, submit.unavailable, submit.refused), (1, 1, 0));
    }
}
