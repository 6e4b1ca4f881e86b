//! Leases: whose run out, and what becomes of what they held.

use crate::{
    Cause, Outcome,
    admin::{Act, State},
    block::OnLost,
    outcome::MAX_LOSSES,
    testing::{Bench, Verdict, bench::retry},
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

/// .. and when its drone is lost.
pub async fn a_cancelled_task_is_not_rescued(bench: Bench) {
    let (lost, watcher) = (bench.drone("lost").await, bench.drone("watcher").await);
    let id = bench.one("a").await;
    lost.take("a").await;
    bench.act(Act::Cancel, id).await;
    bench.watch(&watcher, &[], 70).await;
    assert_eq!(bench.state(id).await, State::Cancelled);
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

/// A successor's first beat saves what it lists, even when the lease has just run out.
pub async fn a_successor_comes_before_the_rescue(bench: Bench) {
    let (before, watcher) = (bench.drone("d").await, bench.drone("watcher").await);
    let id = bench.one("a").await;
    let task = before.take("a").await;
    bench.watch(&watcher, &[], 50).await;
    bench.pass(10);
    let after = crate::testing::Drone::new(&bench, "d");
    assert!(after.beat(&[task.claim]).await.lost.is_empty());
    assert_eq!((bench.state(id).await, bench.view(id).await.losses), (State::Claimed, 0));
    bench.watch(&watcher, &[], 20).await;
    assert_eq!(bench.state(id).await, State::Claimed);
    after.complete(&task).await;
}

/// What is rescued waits where it stood: it is handed out before what was submitted meanwhile.
pub async fn what_is_rescued_keeps_its_place(bench: Bench) {
    let (lost, watcher) = (bench.drone("lost").await, bench.drone("watcher").await);
    let id = bench.one("a").await;
    let run_at = bench.view(id).await.run_at;
    lost.take("a").await;
    bench.pass(1);
    let later = bench.one("a").await;
    bench.watch(&watcher, &[], 80).await;
    assert_eq!(bench.view(id).await.run_at, run_at);
    assert_eq!([watcher.take("a").await.id, watcher.take("a").await.id], [id, later]);
}
