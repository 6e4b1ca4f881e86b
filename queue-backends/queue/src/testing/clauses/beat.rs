//! What a beat promises: claims, orders, coming and going.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    Cause, ClaimId, Outcome, Progress, TaskId,
    admin::{Act, Acted, Setting, State},
    testing::{
        Bench, Verdict,
        bench::{kind, retry},
    },
};

/// Listed claims become this incarnation's.
pub async fn a_listed_claim_is_adopted(bench: Bench) {
    let (before, watcher) = (bench.drone("d").await, bench.drone("watcher").await);
    let id = bench.one("a").await;
    let task = before.take("a").await;
    let after = bench.drone("d").await;
    assert_eq!(after.beat(&[task.claim]).await, crate::Orders::default());
    for _ in 0..3 {
        bench.watch(&watcher, &[], 40).await;
        assert!(after.beat(&[task.claim]).await.lost.is_empty());
    }
    assert_eq!((bench.state(id).await, bench.view(id).await.losses), (State::Claimed, 0));
    assert_eq!(after.pump_as(task.claim, &[("a", 1)]).await, std::slice::from_ref(&task));
    after.complete(&task).await;
}

/// Claims of this incarnation that it did not list are answered as phantoms, until it does.
pub async fn what_was_not_listed_is_a_phantom(bench: Bench) {
    let (drone, other) = (bench.drone("d").await, bench.drone("other").await);
    bench.accept(&bench.many("a", 3)).await;
    let (first, second) = (drone.take("a").await, drone.take("a").await);
    other.take("a").await;
    let orders = drone.beat(&[first.claim]).await;
    assert_eq!((orders.phantoms, orders.lost), (vec![second.claim], vec![]));
    let orders = drone.beat(&[first.claim, second.claim]).await;
    assert!(orders.phantoms.is_empty());
    drone.complete(&second).await;
    assert!(drone.beat(&[first.claim]).await.phantoms.is_empty(), "nothing is left of it");
}

/// Listed claims that are not current are answered as lost.
pub async fn what_is_not_current_is_lost(bench: Bench) {
    let (drone, watcher) = (bench.drone("d").await, bench.drone("watcher").await);
    bench.accept(&bench.many("a", 2)).await;
    let (mine, done) = (drone.take("a").await, drone.take("a").await);
    drone.complete(&done).await;
    let unheard = ClaimId::new(&*bench.random);
    let mut lost = drone.beat(&[mine.claim, done.claim, unheard]).await.lost;
    let mut expected = vec![done.claim, unheard];
    lost.sort_unstable();
    expected.sort_unstable();
    assert_eq!(lost, expected);
    bench.watch(&watcher, &[], 70).await;
    assert_eq!(drone.beat(&[mine.claim]).await.lost, [mine.claim], "rescued");
}

/// A cancel of a claimed task is in the orders of each beat until it ends.
pub async fn a_cancel_is_repeated_until_the_end(bench: Bench) {
    let (drone, other) = (bench.drone("d").await, bench.drone("other").await);
    bench.accept(&bench.many("a", 3)).await;
    let tasks = drone.pump("a", 2).await;
    other.take("a").await;
    assert_eq!(bench.act(Act::Cancel, tasks[1].id).await, Acted::Requested);
    assert_eq!(bench.act(Act::Cancel, tasks[1].id).await, Acted::Requested, "twice is once");
    for _ in 0..3 {
        bench.pass(10);
        assert_eq!(drone.beat(&[tasks[0].claim]).await.cancel, [tasks[1].id]);
        assert!(other.beat(&[]).await.cancel.is_empty(), "another drone's");
    }
    let failure = crate::Failure::new(Cause::Cancelled, "stopped");
    drone.end(&tasks[1], Outcome::Cancel { failure }).await;
    assert!(drone.beat(&[tasks[0].claim]).await.cancel.is_empty());
}

/// A task whose cancel was requested becomes cancelled when it is given back, whichever way.
pub async fn a_cancelled_task_is_not_tried_again(bench: Bench) {
    let drone = bench.drone("d").await;
    let snooze = Outcome::Snooze { after: Duration::from_secs(1) };
    for outcome in [retry(0), retry(9), snooze, Outcome::Release, Outcome::Interrupt] {
        let id = bench.one("a").await;
        let task = drone.take("a").await;
        bench.act(Act::Cancel, id).await;
        drone.end(&task, outcome.clone()).await;
        assert_eq!(bench.state(id).await, State::Cancelled, "{outcome:?}");
        assert_eq!(drone.settle(&task, outcome).await, Verdict::Already);
        assert!(drone.pump("a", 1).await.is_empty());
    }
}

/// Types of which to start nothing new are told: those of the drone that are paused, or all with the queue.
pub async fn paused_types_are_told(bench: Bench) {
    let drone = bench.drone("d").await;
    assert!(drone.beat(&[]).await.paused.is_empty());
    bench.set_type("b", Setting::Paused(true)).await;
    assert_eq!(drone.beat(&[]).await.paused, [kind("b")]);
    bench.set(Setting::Paused(true)).await;
    let mut paused = drone.beat(&[]).await.paused;
    paused.sort_unstable();
    assert_eq!(paused, drone.facts.types);
    bench.set(Setting::Paused(false)).await;
    bench.set_type("b", Setting::Paused(false)).await;
    assert!(drone.beat(&[]).await.paused.is_empty());
}

/// A drone that was told to drain hears it at each beat; another start of it does not.
pub async fn a_drain_is_told(bench: Bench) {
    let (drone, other) = (bench.drone("d").await, bench.drone("other").await);
    assert!(bench.backend.drain(drone.incarnation).await.expect("answered"));
    for _ in 0..2 {
        assert!(drone.beat(&[]).await.drain);
        assert!(!other.beat(&[]).await.drain);
    }
    assert!(!bench.drone("d").await.beat(&[]).await.drain, "another incarnation");
    let nobody = crate::Incarnation::new(&*bench.random);
    assert!(!bench.backend.drain(nobody).await.expect("answered"));
}

/// A drone that is leaving is forgotten.
pub async fn who_leaves_is_forgotten(bench: Bench) {
    let (drone, other) = (bench.drone("d").await, bench.drone("other").await);
    drone.leave().await;
    let drones = bench.backend.drones().await.expect("listed");
    let known: Vec<_> = drones.iter().map(|drone| drone.incarnation).collect();
    assert_eq!(known, [other.incarnation]);
    drone.leave().await;
    assert_eq!(bench.backend.drones().await.expect("listed").len(), 1, "leaving twice is leaving");
}

/// .. and what the queue still has for it is released, free of charge.
pub async fn who_leaves_gives_back(bench: Bench) {
    let (drone, other) = (bench.drone("d").await, bench.drone("other").await);
    bench.accept(&bench.many("a", 3)).await;
    drone.pump("a", 3).await;
    drone.leave().await;
    let tasks = other.pump("a", 9).await;
    assert_eq!(tasks.len(), 3);
    assert!(tasks.iter().all(|task| task.counters == (0, 0, 0)));
}

/// Progress is a hint: it changes no task, whoever sends it, and of whatever.
pub async fn progress_changes_nothing(bench: Bench) {
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    let task = drone.take("a").await;
    let note = |id: TaskId, n: Option<f64>| Progress {
        task: id,
        claim: task.claim,
        n,
        of: Some(10.0),
        note: Some("page \u{0}".into()),
        data: Some(Bytes::from_static(b"{\"rows\": [1]}")),
    };
    let nobody = TaskId(uuid::Uuid::from_u128(1));
    let notes = vec![note(id, Some(3.0)), note(id, None), note(nobody, Some(f64::MAX))];
    assert_eq!(bench.backend.progress(notes).await, Ok(()));
    assert_eq!(bench.backend.progress(Vec::new()).await, Ok(()));
    let view = bench.view(id).await;
    assert_eq!((view.state, view.attempts, view.error), (State::Claimed, 0, None));
    drone.complete(&task).await;
    let late = vec![note(id, Some(10.0))];
    assert_eq!(bench.backend.progress(late).await, Ok(()));
    assert_eq!(bench.state(id).await, State::Completed);
}
