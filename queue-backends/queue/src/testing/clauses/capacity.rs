//! A queue, and a type within it, never holds more tasks that are not terminal than its capacity.

use crate::{
    Reason, Rejection, Submitted,
    admin::{Act, Setting, State},
    testing::{
        Bench,
        bench::{discard, retry},
    },
};

fn full(rejection: &Rejection) -> (Reason, u64, u64) {
    assert!(rejection.retry_after.is_some(), "waiting may heal {rejection}");
    (rejection.reason, rejection.depth, rejection.limit)
}

/// What exceeds a queue's capacity is `Rejected` with the depth and the limit, and leaves nothing behind.
pub async fn a_queue_never_holds_more(bench: Bench) {
    bench.set(Setting::Capacity(Some(5))).await;
    bench.accept(&bench.many("a", 3)).await;
    let over = bench.reject(&bench.many("b", 3)).await;
    assert_eq!(full(&over), (Reason::QueueFull, 3, 5));
    assert_eq!((bench.depth().await, bench.all().await.len()), (3, 3));
    bench.accept(&bench.many("b", 2)).await;
    assert_eq!(full(&bench.reject(&bench.many("c", 1)).await), (Reason::QueueFull, 5, 5));
    let elsewhere = crate::Block { queue: "other".parse().expect("a name"), ..bench.many("a", 9) };
    bench.accept(&elsewhere).await;
    bench.set(Setting::Capacity(None)).await;
    bench.accept(&bench.many("a", 128)).await;
}

/// .. nor does a type.
pub async fn a_type_never_holds_more(bench: Bench) {
    bench.set_type("a", Setting::Capacity(Some(2))).await;
    bench.accept(&bench.many("a", 2)).await;
    assert_eq!(full(&bench.reject(&bench.many("a", 1)).await), (Reason::TypeFull, 2, 2));
    bench.accept(&bench.many("b", 9)).await;
    assert_eq!(bench.depth().await, 11);
    bench.set_type("c", Setting::Capacity(Some(0))).await;
    assert_eq!(full(&bench.reject(&bench.many("c", 1)).await), (Reason::TypeFull, 0, 0));
}

/// When both refuse, the queue's bound is named.
pub async fn the_queue_is_asked_before_the_type(bench: Bench) {
    bench.set(Setting::Capacity(Some(4))).await;
    bench.set_type("a", Setting::Capacity(Some(2))).await;
    assert_eq!(full(&bench.reject(&bench.many("a", 5)).await).0, Reason::QueueFull);
    assert_eq!(full(&bench.reject(&bench.many("a", 3)).await).0, Reason::TypeFull);
    bench.accept(&bench.many("a", 2)).await;
    bench.accept(&bench.many("b", 2)).await;
    assert_eq!(full(&bench.reject(&bench.many("a", 1)).await).0, Reason::QueueFull);
}

/// .. at any commit: also when many submit at once.
pub async fn concurrent_submits_never_exceed_it(bench: Bench) {
    bench.set(Setting::Capacity(Some(50))).await;
    let mut submits = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (bench, block) = (bench.clone(), bench.many("a", 7));
        submits.spawn(async move { bench.submit(&block).await });
    }
    let answers = submits.join_all().await;
    let accepted = answers.iter().filter(|answer| **answer == Submitted::Accepted).count();
    assert_eq!(accepted, 7, "{answers:?}");
    assert_eq!(bench.depth().await, 49);
}

/// Scheduled, available and claimed tasks count.
pub async fn every_task_that_is_not_terminal_counts(bench: Bench) {
    bench.set(Setting::Capacity(Some(3))).await;
    let drone = bench.drone("d").await;
    bench.one("a").await;
    drone.take("a").await;
    bench.one("a").await;
    let due = crate::Due::In(std::time::Duration::from_secs(60));
    bench.accept(&crate::Block { due, ..bench.many("a", 1) }).await;
    let queue = bench.queue("default").await.expect("there");
    assert_eq!((queue.scheduled, queue.available, queue.claimed, queue.depth), (1, 1, 1, 3));
    assert_eq!(bench.reject(&bench.many("a", 1)).await.reason, Reason::QueueFull);
}

/// A task that ends makes room at once, however it ends.
pub async fn the_end_of_a_task_makes_room(bench: Bench) {
    bench.set(Setting::Capacity(Some(1))).await;
    let drone = bench.drone("d").await;
    bench.one("a").await;
    drone.complete(&drone.take("a").await).await;
    bench.one("a").await;
    drone.end(&drone.take("a").await, discard()).await;
    let id = bench.one("a").await;
    assert_eq!(bench.act(Act::Cancel, id).await, crate::admin::Acted::Done);
    bench.one("a").await;
    assert_eq!(bench.reject(&bench.many("a", 1)).await.reason, Reason::QueueFull);
}

/// A retry needs no new room, also above a capacity that was lowered.
pub async fn a_retry_needs_no_room(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.many("a", 3)).await;
    let tasks = drone.pump("a", 3).await;
    bench.set(Setting::Capacity(Some(1))).await;
    drone.end(&tasks[0], retry(0)).await;
    drone.end(&tasks[1], crate::Outcome::Release).await;
    drone.end(&tasks[2], retry(60)).await;
    assert_eq!(bench.depth().await, 3);
}

/// Lowering a capacity refuses new tasks; it drops none.
pub async fn a_lowered_capacity_drops_nothing(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.many("a", 4)).await;
    bench.set(Setting::Capacity(Some(2))).await;
    assert_eq!(bench.depth().await, 4);
    assert_eq!(full(&bench.reject(&bench.many("a", 1)).await), (Reason::QueueFull, 4, 2));
    for task in drone.pump("a", 3).await {
        drone.complete(&task).await;
    }
    bench.one("a").await;
    assert_eq!(bench.reject(&bench.many("a", 1)).await.reason, Reason::QueueFull);
}

/// A partial call accepts the longest beginning that fits.
pub async fn a_partial_call_takes_the_longest_beginning(bench: Bench) {
    bench.set(Setting::Capacity(Some(10))).await;
    bench.set_type("b", Setting::Capacity(Some(2))).await;
    let blocks =
        [bench.many("a", 4), bench.many("b", 3), bench.many("b", 1), bench.many("a", 5), bench.many("a", 1)];
    let answers = bench.submit_all(&blocks, true).await;
    assert_eq!(answers[0], Submitted::Accepted);
    let Submitted::Partly { accepted: 2, rejection } = &answers[1] else { panic!("{answers:?}") };
    assert_eq!((rejection.reason, rejection.limit), (Reason::TypeFull, 2));
    assert!(matches!(&answers[2], Submitted::Rejected(r) if r.reason == Reason::TypeFull), "{answers:?}");
    let Submitted::Partly { accepted: 4, rejection } = &answers[3] else { panic!("{answers:?}") };
    assert_eq!((rejection.reason, rejection.limit), (Reason::QueueFull, 10));
    assert!(matches!(&answers[4], Submitted::Rejected(r) if r.reason == Reason::QueueFull), "{answers:?}");
    assert_eq!(bench.depth().await, 10);
    let drone = bench.drone("d").await;
    let ordinals = |tasks: Vec<crate::testing::Handed>| tasks.iter().map(|t| t.ordinal).collect::<Vec<_>>();
    assert_eq!(ordinals(drone.pump("b", 9).await), [0, 1], "its first members");
}

/// A queue that refused a member refuses all that follow in the call, also what would make room for itself.
pub async fn what_refused_once_refuses_what_follows(bench: Bench) {
    bench.set(Setting::Capacity(Some(2))).await;
    let held = bench.keyed("a", "k");
    bench.accept(&held).await;
    let replacing = bench.with("a", |options| {
        options.unique_key = Some("k".to_owned());
        options.on_conflict = crate::block::OnConflict::Replace;
    });
    let answers = bench.submit_all(&[bench.many("a", 3), replacing], true).await;
    assert!(matches!(&answers[0], Submitted::Partly { accepted: 1, .. }), "{answers:?}");
    assert!(matches!(&answers[1], Submitted::Rejected(r) if r.reason == Reason::QueueFull), "{answers:?}");
    assert_eq!(bench.state(held.id.task(0)).await, State::Available, "nothing was replaced");
}

/// A block that was accepted in part stays as it is.
pub async fn a_partly_accepted_block_stays_as_it_is(bench: Bench) {
    bench.set(Setting::Capacity(Some(3))).await;
    let block = bench.many("a", 5);
    for _ in 0..2 {
        let answers = bench.submit_all(std::slice::from_ref(&block), true).await;
        assert!(matches!(answers[..], [Submitted::Partly { accepted: 3, .. }]), "{answers:?}");
        assert_eq!(bench.depth().await, 3);
    }
    bench.set(Setting::Capacity(None)).await;
    let answers = bench.submit_all(std::slice::from_ref(&block), true).await;
    assert!(matches!(answers[..], [Submitted::Partly { accepted: 3, .. }]), "{answers:?}");
    assert!(matches!(bench.submit(&block).await, Submitted::Conflict { .. }), "all of it is not here");
    let beginning = crate::Block { payloads: bench.many("a", 3).payloads, ..block };
    assert_eq!(bench.submit(&beginning).await, Submitted::Existing);
    assert_eq!(bench.depth().await, 3);
}

/// A full queue still answers `Existing`.
pub async fn existing_is_answered_when_full(bench: Bench) {
    bench.set(Setting::Capacity(Some(2))).await;
    let block = bench.many("a", 2);
    bench.accept(&block).await;
    assert_eq!(bench.submit(&block).await, Submitted::Existing);
    assert_eq!(bench.state(block.id.task(1)).await, State::Available);
}
