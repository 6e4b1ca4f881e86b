//! A wrapper that does to a queue what networks do: fails before, loses replies, delivers twice, delays.
//! By a seed, so that a failure can be had again.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;

use super::TestRandom;
use crate::{
    Admin, Beat, Claimed, Error, Incarnation, Orders, Progress, Pump, Queue, QueueName, Random, Result,
    Settled, Settlement, Submission, Submitted, TaskId, TaskType,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, TaskDetail, TaskView},
};

/// How often what goes wrong, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// The call fails and nothing happened.
    pub before: f64,
    /// The call happened; its reply is lost.
    pub reply_lost: f64,
    /// The call is delivered twice; the second reply arrives.
    pub twice: f64,
    /// Others run before the call, and after it.
    pub delayed: f64,
}

/// What went wrong so far.
#[derive(Debug, Default)]
pub struct Injected {
    /// Calls that failed and did not happen.
    pub before: AtomicU64,
    /// Calls that happened without a reply.
    pub reply_lost: AtomicU64,
    /// Calls that happened twice.
    pub twice: AtomicU64,
    /// Calls that were delayed.
    pub delayed: AtomicU64,
    /// Calls while everything was cut off.
    pub down: AtomicU64,
}

/// A queue with faults. What an operator does is forwarded as it is, but for a cut.
pub struct Flaky<Q: ?Sized> {
    random: Arc<TestRandom>,
    faults: Faults,
    down: AtomicBool,
    injected: Injected,
    queue: Arc<Q>,
}

impl Faults {
    /// Each of them, one call in so many.
    #[must_use]
    pub fn one_in(calls: u32) -> Self {
        let often = 1.0 / f64::from(calls.max(1));
        Self { before: often, reply_lost: often, twice: often, delayed: often }
    }
}

impl Injected {
    /// Faults of every kind together.
    #[must_use]
    pub fn total(&self) -> u64 {
        let all = [&self.before, &self.reply_lost, &self.twice, &self.delayed, &self.down];
        all.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl<Q: ?Sized> Flaky<Q> {
    /// Wraps a queue.
    pub fn new(queue: Arc<Q>, seed: u64, faults: Faults) -> Self {
        let (down, injected) = (AtomicBool::new(false), Injected::default());
        Self { random: TestRandom::new(seed), faults, down, injected, queue }
    }

    /// Cuts everything off, or heals the cut.
    pub fn down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// What went wrong so far.
    pub fn injected(&self) -> &Injected {
        &self.injected
    }

    /// The queue itself.
    pub fn inner(&self) -> &Arc<Q> {
        &self.queue
    }

    fn rolls(&self, often: f64, counter: &AtomicU64) -> bool {
        let hit = often > 0.0 && self.random.fraction() < often;
        counter.fetch_add(u64::from(hit), Ordering::Relaxed);
        hit
    }

    fn reachable(&self) -> Result<()> {
        if self.down.load(Ordering::SeqCst) {
            self.injected.down.fetch_add(1, Ordering::Relaxed);
            return Err(Error::Unavailable("cut off, by a test".into()));
        }
        Ok(())
    }

    async fn faulty<T, F: Future<Output = Result<T>>>(&self, call: impl Fn() -> F) -> Result<T> {
        self.reachable()?;
        let delayed = self.rolls(self.faults.delayed, &self.injected.delayed);
        if delayed {
            tokio::task::yield_now().await;
        }
        if self.rolls(self.faults.before, &self.injected.before) {
            return Err(Error::Unavailable("failed before it happened, by a test".into()));
        }
        if self.rolls(self.faults.twice, &self.injected.twice) {
            call().await?;
        }
        let reply = call().await?;
        if delayed {
            tokio::task::yield_now().await;
        }
        // Cut while it was under way: it happened, and nobody hears of it.
        self.reachable()?;
        if self.rolls(self.faults.reply_lost, &self.injected.reply_lost) {
            return Err(Error::Unavailable("the reply was lost, by a test".into()));
        }
        Ok(reply)
    }
}

#[async_trait]
impl<Q: Queue + ?Sized> Queue for Flaky<Q> {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        self.faulty(|| self.queue.submit(submission.clone())).await
    }

    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        self.faulty(|| self.queue.pump(pump.clone())).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.faulty(|| self.queue.settle(settlements.clone())).await
    }

    async fn settle_lazily(&self, drone: Incarnation, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.faulty(|| self.queue.settle_lazily(drone, settlements.clone())).await
    }

    async fn flush(&self, drone: Incarnation) -> Result<bool> {
        self.faulty(|| self.queue.flush(drone)).await
    }

    async fn beat(&self, beat: Beat) -> Result<Orders> {
        self.faulty(|| self.queue.beat(beat.clone())).await
    }

    async fn arrival(&self, types: &[TaskType]) {
        self.queue.arrival(types).await;
    }

    async fn progress(&self, notes: Vec<Progress>) -> Result<()> {
        self.faulty(|| self.queue.progress(notes.clone())).await
    }
}

#[async_trait]
impl<Q: Admin + ?Sized> Admin for Flaky<Q> {
    async fn queues(&self) -> Result<Vec<QueueView>> {
        self.reachable()?;
        self.queue.queues().await
    }

    async fn find(&self, filter: Filter) -> Result<Vec<TaskView>> {
        self.reachable()?;
        self.queue.find(filter).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<TaskDetail>> {
        self.reachable()?;
        self.queue.task(id).await
    }

    async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>> {
        self.reachable()?;
        self.queue.act(act, ids).await
    }

    async fn set(&self, queue: QueueName, task_type: Option<TaskType>, setting: Setting) -> Result<()> {
        self.reachable()?;
        self.queue.set(queue, task_type, setting).await
    }

    async fn drones(&self) -> Result<Vec<DroneView>> {
        self.reachable()?;
        self.queue.drones().await
    }

    async fn drain(&self, drone: Incarnation) -> Result<bool> {
        self.reachable()?;
        self.queue.drain(drone).await
    }

    async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        self.reachable()?;
        self.queue.rescue(drone).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, Model, TestClock};

    #[tokio::test]
    async fn faults_come_by_the_seed_and_a_cut_is_a_cut() {
        let clock = TestClock::new();
        let model: Arc<Model> = Arc::new(Model::new(Arc::clone(&clock) as _));
        let flaky = Arc::new(Flaky::new(Arc::clone(&model), 7, Faults::one_in(4)));
        let bench = Bench::new(Arc::clone(&flaky) as _, clock);
        let mut accepted = 0;
        for _ in 0..200 {
            let block = bench.many("a", 1);
            // Asked until it is answered, as every caller must: then it is there exactly once.
            for _ in 0..50 {
                if flaky.submit(Submission::whole(vec![block.clone()])).await.is_ok() {
                    accepted += 1;
                    break;
                }
            }
        }
        let injected = flaky.injected();
        assert_eq!((accepted, bench.depth().await), (200, 200));
        for count in [&injected.before, &injected.reply_lost, &injected.twice, &injected.delayed] {
            assert!(count.load(Ordering::Relaxed) > 10, "{injected:?}");
        }
        flaky.down(true);
        let cut = flaky.beat(bench_beat(&bench)).await;
        assert!(matches!(cut, Err(Error::Unavailable(_))));
        assert!(flaky.queues().await.is_err());
        flaky.down(false);
        assert!(flaky.queues().await.is_ok());
        assert_eq!(injected.down.load(Ordering::Relaxed), 2);
    }

    fn bench_beat(bench: &Bench) -> Beat {
        let drone = crate::testing::Drone::new(bench, "d");
        Beat {
            drone: drone.incarnation,
            queue: drone.queue,
            ttl: crate::beat::DEFAULT_TTL,
            held: Vec::new(),
            facts: drone.facts,
            leaving: false,
        }
    }
}
