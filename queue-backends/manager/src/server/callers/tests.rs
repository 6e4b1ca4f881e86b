//! Callers without links.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use skep_queue::{
    BlockId, ClaimId, Ending, Mask, Outcome,
    admin::State,
    clock::{SystemClock, SystemRandom},
    testing::{Bench, TestClock},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;

struct Counting(Arc<AtomicUsize>);

impl Ear for Counting {
    fn hear(&self, _: Bytes) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn deaf() -> Box<dyn Ear> {
    Box::new(Counting(Arc::default()))
}

fn completed(result: &Bytes) -> (Outcome, End) {
    let result = Some(result.clone());
    let end = End::Over { state: State::Completed, result: result.clone(), error: None, cause: None };
    (Outcome::Complete { result, submit: Vec::new() }, end)
}

#[tokio::test]
async fn ten_thousand_tasks_end_once_each_and_leave_nothing() {
    const TASKS: usize = 10_000;
    let callers = Callers::new(Arc::new(SystemClock));
    let claim = ClaimId::new(&SystemRandom);
    let blocks: Vec<BlockId> =
        (0..TASKS.div_ceil(128)).map(|_| BlockId::new(&SystemClock, &SystemRandom)).collect();
    let waiting: Vec<Caller> = blocks
        .iter()
        .flat_map(|block| (0..128).map(|ordinal| block.task(ordinal)))
        .map(|task| callers.register(task, deaf()))
        .collect();
    waiting.iter().for_each(|caller| caller.look(false));
    assert_eq!(callers.len(), blocks.len() * 128);
    let (outcome, end) = completed(&Bytes::from_static(b"1"));
    for block in blocks {
        let endings = vec![Ending { members: Mask::first(128), outcome: outcome.clone() }];
        let settlement = Settlement { claim, block, endings };
        let settled = Settled { accepted: Mask::first(128), ..Settled::default() };
        // Twice, as when a settle is repeated: nobody is left to hear the second.
        callers.settled(std::slice::from_ref(&settlement), std::slice::from_ref(&settled));
        callers.settled(&[settlement], &[settled]);
    }
    assert!(callers.table().is_bare());
    for caller in waiting {
        assert_eq!(caller.end(Duration::ZERO).await, end);
    }
    assert!(callers.table().is_bare());
}

#[test]
fn notes_are_for_those_who_wait_for_that_claim() {
    let callers = Callers::new(Arc::new(SystemClock));
    let task = BlockId::new(&SystemClock, &SystemRandom).task(0);
    let claims = [(); 2].map(|()| ClaimId::new(&SystemRandom));
    let note = |claim| vec![Progress { task, claim, n: None, of: None, note: None, data: None }];
    let heard = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let ear = |i: usize| Box::new(Counting(Arc::clone(&heard[i])));
    callers.note(note(claims[0]));
    let first = callers.register(task, ear(0));
    callers.note(note(claims[0]));
    let drone = Incarnation::new(&SystemRandom);
    callers.table().hold(task, Held { drone, claim: claims[1] });
    callers.note(note(claims[0]));
    assert_eq!(heard[0].load(Relaxed), 1, "a note before anybody waited, and one of another claim, are lost");
    callers.note(note(claims[1]));
    let second = callers.register(task, ear(1));
    assert_eq!([heard[0].load(Relaxed), heard[1].load(Relaxed)], [2, 1], "the last note comes at once");
    drop((first, second));
    assert!(callers.table().is_bare());
}

/// The ends that nobody told of are found by looks, ever more rarely; those that were touched by the next one.
#[tokio::test(start_paused = true)]
async fn looks_find_ends() {
    let bench = Bench::model();
    let clock = TestClock::new();
    let callers = Callers::new(Arc::clone(&clock) as _);
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(Arc::clone(&callers).watch(Arc::clone(&bench.backend), stop.clone()));
    let ids = [bench.one("a").await, bench.one("a").await, bench.one("a").await];
    let [now, later, never] = ids.map(|id| callers.register(id, deaf()));
    // Touched before its submit was answered: it is not forgotten.
    callers.touched([ids[0]]);
    bench.act(skep_queue::admin::Act::Cancel, ids[0]).await;
    bench.act(skep_queue::admin::Act::Cancel, ids[1]).await;
    now.look(false);
    later.look(false);
    let end = now.end(Duration::from_millis(1)).await;
    assert!(matches!(end, End::Over { state: State::Cancelled, .. }), "{end:?}");
    callers.touched([ids[2]]);
    never.look(true);
    clock.advance(Duration::from_millis(499));
    assert_eq!(callers.len(), 2);
    clock.advance(Duration::from_millis(1));
    let end = later.end(Duration::from_millis(600)).await;
    assert!(matches!(end, End::Over { state: State::Cancelled, .. }), "{end:?}");
    assert_eq!(never.end(Duration::from_secs(5)).await, End::Waiting);
    assert!(callers.table().is_bare());
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}
