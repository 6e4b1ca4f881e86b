//! What a beat promises: leases, and what becomes of those who lose theirs.

use std::time::Duration;

use crate::{
    Cause, ClaimId, Outcome,
    admin::{Act, Acted, Setting, State},
    block::OnLost,
    outcome::MAX_LOSSES,
    testing::{
        Bench, Verdict,
        bench::{kind, retry},
    },
};

/// The tasks of a drone that was seen silent for its whole lease become available, with one more loss.
pub async fn silence_that_was_watched_is_rescued(bench: Bench) {
    let (lost, watcher) = (bench.drone("lost").await, bench.drone("watcher").await);
    let id = bench.one("a").await;
    let old = lost.take("a").await;
    bench.watch(&watcher, &[], 50).await;
    assert_eq!(bench.state(id).await, State::Claimed, "fifty seconds are no lease");
    bench.watch(&watcher, &[], 20).await;
    let view = bench.view(id).await;
    assert_eq!((view.state, view.attempts, view.losses), (State::Available, 0, 1));
    let history = bench.history(id).await;
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].cause, history[0].worker.as_deref()), (Cause::Lost, Some("lost")));
    let new = watcher.take("a").await;
    assert_eq!((new.id, new.fence, new.counters), (old.id, old.fence + 1, (0, 1, 0)));
    let drones = bench.backend.drones().await.expect("listed");
    assert!(drones.iter().all(|drone| drone.incarnation != lost.incarnation), "it is forgotten");
}

/// A drone that beats keeps what it has, listed or not.
pub async fn a_beat_keeps_the_lease(bench: Bench) {
    let (alive, watcher) = (bench.drone("alive").await, bench.drone("watcher").await);
    let id = bench.one("a").await;
    let task = alive.take("a").await;
    for _ in 0..5 {
        bench.watch(&watcher, &[], 50).await;
        alive.beat(&[]).await;
    }
    assert_eq!(bench.view(id).await.losses, 0);
    alive.complete(&task).await;
}

/// A gap in the watching counts as an outage: no silence before it counts.
pub async fn a_gap_in_the_watching_is_an_outage(bench: Bench) {
    let (silent, watcher) = (bench.drone("silent").await, bench.drone("watcher").await);
    let id = bench.one("a").await;
    let task = silent.take("a").await;
    for _ in 0..3 {
        bench.pass(600);
        watcher.beat(&[]).await;
        assert_eq!(bench.state(id).await, State::Claimed, "the first beat after an outage");
        bench.watch(&watcher, &[], 50).await;
        assert_eq!(bench.state(id).await, State::Claimed, "not yet a lease");
    }
    silent.complete(&task).await;
}

/// .. and another process has not watched at all, whatever this one saw.
pub async fn another_process_watches_for_itself(bench: Bench) {
    let (silent, watcher) = (bench.drone("silent").await, bench.drone("watcher").await);
    let id = bench.one("a").await;
    silent.take("a").await;
    bench.watch(&watcher, &[], 50).await;
    let other = bench.reopen().await;
    if std::sync::Arc::ptr_eq(&other.backend, &bench.backend) {
        return; // This backend has one handle.
    }
    let late = other.drone("late").await;
    other.watch(&late, &[], 40).await;
    assert_eq!(bench.state(id).await, State::Claimed, "ninety seconds of silence, fifty by one's own eyes");
    other.watch(&late, &[], 30).await;
    assert_eq!(bench.state(id).await, State::Available);
}

/// Wall clocks decide nothing about a lease.
pub async fn wall_clocks_decide_nothing(bench: Bench) {
    let (silent, watcher) = (bench.drone("silent").await, bench.drone("watcher").await);
    let id = bench.one("a").await;
    let task = silent.take("a").await;
    for step in [3_600_000_000, -7_200_000_000] {
        bench.clock.step_wall(step);
        bench.watch(&watcher, &[], 20).await;
        assert_eq!(bench.state(id).await, State::Claimed);
    }
    bench.watch(&watcher, &[], 30).await;
    assert_eq!(bench.state(id).await, State::Available, "it is silent all the same");
    silent.complete(&task).await;
}

/// After a rescue the old claim may still settle, as long as nobody else has claimed the task.
pub async fn late_but_unclaimed_wins(bench: Bench) {
    let watcher = bench.drone("watcher").await;
    for outcome in [Outcome::done(), retry(0)] {
        let id = bench.one("a").await;
        let late = bench.drone("late").await;
        let task = late.take("a").await;
        bench.watch(&watcher, &[], 70).await;
        assert_eq!(bench.state(id).await, State::Available);
        let state = outcome.ends_in().unwrap_or(State::Available);
        late.end(&task, outcome.clone()).await;
        assert_eq!(late.settle(&task, outcome).await, Verdict::Already);
        assert_eq!(bench.state(id).await, state);
        for again in watcher.pump("a", 1).await {
            assert_eq!(again.counters, (1, 1, 0));
            watcher.complete(&again).await;
        }
    }
}

/// Once it was claimed again, the old claim is `stale`.
pub async fn late_and_reclaimed_is_stale(bench: Bench) {
    let (late, watcher) = (bench.drone("late").await, bench.drone("watcher").await);
    bench.one("a").await;
    let old = late.take("a").await;
    bench.watch(&watcher, &[], 70).await;
    let new = watcher.take("a").await;
    assert_eq!(late.settle(&old, Outcome::done()).await, Verdict::Stale);
    assert_eq!(late.beat(&[old.claim]).await.lost, [old.claim]);
    watcher.end(&new, Outcome::Release).await;
    assert_eq!(late.settle(&old, Outcome::done()).await, Verdict::Stale, "also when it waits again");
}

/// .. or are discarded at the limit of losses.
pub async fn the_loss_limit_discards(bench: Bench) {
    let watcher = bench.drone("watcher").await;
    let id = bench.one("a").await;
    for n in 1..=MAX_LOSSES {
        let lost = bench.drone("lost").await;
        let task = lost.take("a").await;
        bench.watch(&watcher, &[], 70).await;
        let view = bench.view(id).await;
        let state = if n < MAX_LOSSES { State::Available } else { State::Discarded };
        assert_eq!((view.state, view.losses), (state, n));
        if n == MAX_LOSSES {
            assert_eq!(lost.settle(&task, Outcome::done()).await, Verdict::Stale, "too late");
        }
    }
    assert!(bench.history(id).await.iter().all(|event| event.cause == Cause::Lost));
}

/// A task that must not be repeated is discarded at the first loss.
pub async fn on_lost_fail_discards_at_once(bench: Bench) {
    let (lost, watcher) = (bench.drone("lost").await, bench.drone("watcher").await);
    let id = bench.accept(&bench.with("a", |o| o.on_lost = OnLost::Fail)).await.task(0);
    lost.take("a").await;
    bench.watch(&watcher, &[], 70).await;
    assert_eq!(bench.state(id).await, State::Discarded);
    assert_eq!(bench.history(id).await.last().map(|event| event.cause), Some(Cause::Lost));
}

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

/// .. and when its drone is lost.
pub async fn a_cancelled_task_is_not_rescued(bench: Bench) {
    let (lost, watcher) = (bench.drone("lost").await, bench.drone("watcher").await);
    let id = bench.one("a").await;
    lost.take("a").await;
    bench.act(Act::Cancel, id).await;
    bench.watch(&watcher, &[], 70).await;
    assert_eq!(bench.state(id).await, State::Cancelled);
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

/// A drone that pumps and is lost before it ever beat is rescued too.
pub async fn a_drone_that_never_beat_is_rescued_too(bench: Bench) {
    let watcher = bench.drone("watcher").await;
    let id = bench.one("a").await;
    crate::testing::Drone::new(&bench, "silent").take("a").await;
    bench.watch(&watcher, &[], 80).await;
    let view = bench.view(id).await;
    assert_eq!((view.state, view.losses), (State::Available, 1));
}

/// A drone that was forgotten and beats again begins a new lease.
pub async fn who_comes_back_begins_anew(bench: Bench) {
    let (drone, watcher) = (bench.drone("d").await, bench.drone("watcher").await);
    bench.watch(&watcher, &[], 50).await;
    for _ in 0..3 {
        // It comes back before anybody looks again.
        if bench.backend.drones().await.expect("listed").len() == 2 {
            bench.pass(10);
            watcher.beat(&[]).await;
        }
    }
    assert_eq!(bench.backend.drones().await.expect("listed").len(), 1, "it is forgotten");
    drone.beat(&[]).await;
    assert_eq!(bench.backend.drones().await.expect("listed").len(), 2, "it is back");
    let id = bench.one("a").await;
    let task = drone.take("a").await;
    bench.watch(&watcher, &[], 40).await;
    assert_eq!((bench.state(id).await, bench.view(id).await.losses), (State::Claimed, 0));
    drone.complete(&task).await;
}
