//! What is told how, and what of it is forgotten when.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use skep_queue::{
    Beat, Claimed, Incarnation, Mask, Orders, Pump, Queue, QueueName, Result, Settlement, Submission,
    Submitted, TaskType, clock::SystemRandom,
};

use super::*;
use crate::{
    fatal::Fatal,
    local::tests::{done, open, singles, take, write},
    source::Link,
};

/// What the queue was asked: how many blocks, or what it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Settled(usize),
    Lazily(usize),
    Flushed(Result<bool>),
}

use Asked::{Flushed, Lazily, Settled as Durably};

/// A queue that takes everything, and forgets what it was told to.
#[derive(Default)]
struct Forgetful {
    asked: Mutex<Vec<Asked>>,
    /// What it answers to flushes; true after that.
    flushes: Mutex<VecDeque<Result<bool>>>,
}

impl Forgetful {
    fn note(&self, asked: Asked) {
        self.asked.lock().unwrap().push(asked);
    }
}

fn accepted(settlements: &[Settlement]) -> Vec<Settled> {
    let all = |s: &Settlement| s.endings.iter().fold(Mask::EMPTY, |all, ending| all | ending.members);
    settlements.iter().map(|s| Settled { accepted: all(s), ..Settled::default() }).collect()
}

#[async_trait]
impl Queue for Forgetful {
    async fn submit(&self, _: Submission) -> Result<Vec<Submitted>> {
        Ok(Vec::new())
    }
    async fn pump(&self, _: Pump) -> Result<Vec<Claimed>> {
        Ok(Vec::new())
    }
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.note(Durably(settlements.len()));
        Ok(accepted(&settlements))
    }
    async fn settle_lazily(&self, _: Incarnation, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.note(Lazily(settlements.len()));
        Ok(accepted(&settlements))
    }
    async fn flush(&self, _: Incarnation) -> Result<bool> {
        let answer = self.flushes.lock().unwrap().pop_front().unwrap_or(Ok(true));
        self.note(Flushed(answer.clone()));
        answer
    }
    async fn beat(&self, _: Beat) -> Result<Orders> {
        Ok(Orders::default())
    }
    async fn arrival(&self, _: &[TaskType]) {}
}

/// The step, with outcomes of so many blocks of one on file.
async fn step(folder: &Path, blocks: usize, flushes: &[Result<bool>]) -> (Settle, Arc<Forgetful>) {
    let (local, _) = open(folder).await;
    local.store(0, "main", singles(blocks)).await.unwrap();
    take(&local, blocks).await.iter().for_each(|task| done(&local, task, None));
    write(&local).await;
    let queue = Arc::new(Forgetful {
        flushes: Mutex::new(flushes.iter().cloned().collect()),
        ..Forgetful::default()
    });
    let source = Source {
        index: 0,
        label: "main".to_owned(),
        name: QueueName::default(),
        queue: Arc::clone(&queue) as _,
        drone: Incarnation::new(&SystemRandom),
        link: Arc::new(Link::new(local.clone(), Arc::new(SystemRandom), Fatal::default())),
    };
    (Settle { source, local }, queue)
}

/// Runs the step to its end: what it asked. Everything is forgotten then.
async fn run(blocks: usize, flushes: &[Result<bool>]) -> Vec<Asked> {
    let folder = tempfile::tempdir().unwrap();
    let (step, queue) = step(folder.path(), blocks, flushes).await;
    let (local, stop) = (step.local.clone(), CancellationToken::new());
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(60), step.run(stop)).await.expect("it ends");
    assert!(local.state().is_empty(), "nothing is left");
    queue.asked.lock().unwrap().clone()
}

#[tokio::test]
async fn few_wait_once_and_many_do_together() {
    assert_eq!(run(1, &[]).await, [Durably(1)], "a single task costs one call");
    assert_eq!(run(MANY - 1, &[]).await, [Durably(MANY - 1)]);
    assert_eq!(run(MANY, &[]).await, [Lazily(MANY), Flushed(Ok(true))]);
    assert_eq!(run(MOST + 1, &[]).await, [Lazily(MOST), Lazily(1), Flushed(Ok(true))]);
}

#[tokio::test]
async fn what_may_be_undone_is_reported_again() {
    let asked = run(MOST + 1, &[Ok(false), Ok(false)]).await;
    let again = |durable| [Lazily(MOST), Lazily(1), Flushed(Ok(durable))];
    assert_eq!(asked, [again(false), again(false), again(true)].concat());
}

#[tokio::test]
async fn what_cannot_be_flushed_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let away = Err(Error::Unavailable("away".to_owned()));
    let (step, queue) = step(folder.path(), MANY, std::slice::from_ref(&away)).await;
    let mut unsure = Unsure::default();
    let parcels = step.local.ripe(0, MOST, Duration::ZERO);
    assert_eq!(step.report(parcels, &mut unsure, 0).await, 0);
    assert!(step.local.ripe(0, MOST, Duration::ZERO).is_empty(), "it is on its way");
    assert_eq!(step.report(Vec::new(), &mut unsure, 0).await, 1, "a call has failed");
    assert_eq!((unsure.calls, step.local.state().counts().outbox), (0, MANY), "it waits for its next turn");
    assert!(step.local.state().reports());
    assert_eq!(*queue.asked.lock().unwrap(), [Lazily(MANY), Flushed(away)]);
}

#[tokio::test]
async fn what_is_not_sure_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let (step, queue) = step(folder.path(), MANY * UNSURE, &[]).await;
    let mut unsure = Unsure::default();
    for call in 1..=UNSURE {
        let parcels = step.local.ripe(0, MANY, Duration::ZERO);
        assert_eq!((parcels.len(), step.report(parcels, &mut unsure, 0).await), (MANY, 0));
        assert_eq!(unsure.calls, call % UNSURE);
    }
    assert!(step.local.state().is_empty());
    assert_eq!(queue.asked.lock().unwrap().last(), Some(&Flushed(Ok(true))));
}
