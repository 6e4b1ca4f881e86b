//! Unique keys.

use crate::{
    Block, Outcome, Payloads, QueueName, Reason, Submitted,
    admin::{Act, State},
    block::OnConflict,
    testing::{
        Bench,
        bench::{cancel, discard, retry},
    },
};

fn on_conflict(bench: &Bench, on_conflict: OnConflict) -> Block {
    bench.with("a", |options| {
        options.unique_key = Some("k".into());
        options.on_conflict = on_conflict;
    })
}

/// A key is held by one task at a time.
pub async fn one_task_holds_a_key(bench: Bench) {
    let first = bench.keyed("a", "k");
    bench.accept(&first).await;
    let holder = first.id.task(0);
    assert_eq!(bench.submit(&bench.keyed("a", "k")).await, Submitted::Conflict { holder });
    assert_eq!(bench.submit(&bench.keyed("b", "k")).await, Submitted::Conflict { holder }, "of any type");
    bench.accept(&bench.keyed("a", "K")).await;
    assert_eq!(bench.submit(&first).await, Submitted::Existing, "its own key is no conflict");
    assert_eq!(bench.depth().await, 2);
}

/// .. until the task is terminal, whichever way.
pub async fn a_key_is_free_when_its_task_is_terminal(bench: Bench) {
    let drone = bench.drone("d").await;
    for outcome in [Outcome::done(), discard(), cancel()] {
        bench.accept(&bench.keyed("a", "k")).await;
        let task = drone.take("a").await;
        assert!(matches!(bench.submit(&bench.keyed("a", "k")).await, Submitted::Conflict { .. }), "claimed");
        drone.end(&task, outcome).await;
    }
    let id = bench.accept(&bench.keyed("a", "k")).await.task(0);
    bench.act(Act::Cancel, id).await;
    bench.accept(&bench.keyed("a", "k")).await;
}

/// .. not before: a task that is tried again still holds it.
pub async fn a_retry_keeps_the_key(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.keyed("a", "k")).await;
    let snooze = Outcome::Snooze { after: std::time::Duration::ZERO };
    for outcome in [retry(0), Outcome::Release, Outcome::Interrupt, snooze, retry(60)] {
        let task = drone.take("a").await;
        drone.end(&task, outcome.clone()).await;
        let holder = task.id;
        assert_eq!(bench.submit(&bench.keyed("a", "k")).await, Submitted::Conflict { holder }, "{outcome:?}");
    }
    assert_eq!(bench.depth().await, 1);
}

/// `Skip` names who holds the key, and stores nothing.
pub async fn skip_names_the_holder(bench: Bench) {
    let first = on_conflict(&bench, OnConflict::Skip);
    bench.accept(&first).await;
    let holder = first.id.task(0);
    assert_eq!(bench.submit(&on_conflict(&bench, OnConflict::Skip)).await, Submitted::Skipped { holder });
    assert_eq!(bench.all().await.len(), 1);
}

/// `Replace` cancels who holds the key and waits, and needs no room beside it.
pub async fn replace_cancels_who_waits(bench: Bench) {
    bench.set(crate::admin::Setting::Capacity(Some(1))).await;
    let first = bench.keyed("a", "k");
    bench.accept(&first).await;
    let second = on_conflict(&bench, OnConflict::Replace);
    bench.accept(&second).await;
    assert_eq!(bench.state(first.id.task(0)).await, State::Cancelled);
    assert_eq!(bench.history(first.id.task(0)).await.len(), 1, "and that is on file");
    assert_eq!(bench.submit(&second).await, Submitted::Existing);
    assert_eq!(bench.state(second.id.task(0)).await, State::Available);
    bench.set_type("a", crate::admin::Setting::Capacity(Some(0))).await;
    assert_eq!(bench.reject(&on_conflict(&bench, OnConflict::Replace)).await.reason, Reason::TypeFull);
    assert_eq!(bench.state(second.id.task(0)).await, State::Available, "a rejection replaces nothing");
}

/// .. unless it is claimed: that is a conflict.
pub async fn replace_of_a_claimed_task_conflicts(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.keyed("a", "k")).await;
    let task = drone.take("a").await;
    let replace = on_conflict(&bench, OnConflict::Replace);
    assert_eq!(bench.submit(&replace).await, Submitted::Conflict { holder: task.id });
    assert_eq!(bench.state(task.id).await, State::Claimed);
    drone.complete(&task).await;
    bench.accept(&replace).await;
}

/// A key is of its queue.
pub async fn keys_of_two_queues_are_two(bench: Bench) {
    bench.accept(&bench.keyed("a", "k")).await;
    let queue: QueueName = "other".parse().expect("a name");
    bench.accept(&Block { queue, ..bench.keyed("a", "k") }).await;
    assert_eq!(bench.all().await.len(), 2);
}

/// A key has 1 to 256 bytes and is of a block of one.
pub async fn a_key_needs_a_block_of_one(bench: Bench) {
    let two = Block { payloads: Payloads::new(&["1", "2"]), ..bench.keyed("a", "k") };
    assert_eq!(bench.reject(&two).await.reason, Reason::Invalid);
    assert_eq!(bench.reject(&bench.keyed("a", "")).await.reason, Reason::Invalid);
    assert_eq!(bench.reject(&bench.keyed("a", &"k".repeat(257))).await.reason, Reason::Invalid);
    bench.accept(&bench.keyed("a", &"k".repeat(256))).await;
    assert_eq!(bench.depth().await, 1);
}

/// One call with a key twice is refused whole; a partial one accepts the first.
pub async fn a_call_with_one_key_twice_is_refused(bench: Bench) {
    let blocks = [bench.keyed("a", "k"), bench.keyed("a", "k")];
    let holder = blocks[0].id.task(0);
    let answers = bench.submit_all(&blocks, false).await;
    assert!(matches!(&answers[0], Submitted::Rejected(r) if r.reason == Reason::Invalid), "{answers:?}");
    assert_eq!(answers[1], Submitted::Conflict { holder });
    assert!(bench.all().await.is_empty());
    let answers = bench.submit_all(&blocks, true).await;
    assert_eq!(answers, [Submitted::Accepted, Submitted::Conflict { holder }]);
}
