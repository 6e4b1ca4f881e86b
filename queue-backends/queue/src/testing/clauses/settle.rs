//! What a settle promises.

use std::time::Duration;

use crate::{
    Cause, Ending, Failure, Mask, Outcome, Settlement,
    admin::{Setting, State},
    outcome::MAX_INTERRUPTIONS,
    testing::{
        Bench, Verdict,
        bench::{cancel, discard, followed_by, retry},
    },
};

fn counters(view: &crate::admin::TaskView) -> (u16, u16, u16) {
    (view.attempts, view.losses, view.interruptions)
}

/// `Complete`, `Discard` and `Cancel` are terminal; `Discard` counts an attempt.
pub async fn complete_discard_and_cancel_are_terminal(bench: Bench) {
    let drone = bench.drone("d").await;
    let endings = [
        (Outcome::done(), State::Completed, 0),
        (discard(), State::Discarded, 1),
        (cancel(), State::Cancelled, 0),
    ];
    for (outcome, state, attempts) in endings {
        let id = bench.one("a").await;
        let task = drone.take("a").await;
        bench.pass(2);
        let error = outcome.failure().map(|failure| failure.error.clone());
        drone.end(&task, outcome).await;
        let view = bench.view(id).await;
        assert_eq!((view.state, view.attempts, view.error), (state, attempts, error));
        assert_eq!(view.finished_at, Some(crate::Clock::now(&*bench.clock)));
    }
    assert_eq!(bench.depth().await, 0);
    assert!(drone.pump("a", 9).await.is_empty());
}

/// `Retry` counts an attempt and comes back when it said.
pub async fn retry_comes_back_when_it_said(bench: Bench) {
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    drone.end(&drone.take("a").await, retry(5)).await;
    let view = bench.view(id).await;
    assert_eq!((view.state, counters(&view)), (State::Scheduled, (1, 0, 0)));
    assert_eq!(view.run_at, crate::Clock::now(&*bench.clock) + Duration::from_secs(5));
    bench.pass(4);
    assert!(drone.pump("a", 1).await.is_empty());
    bench.pass(1);
    let task = drone.take("a").await;
    assert_eq!(task.counters, (1, 0, 0));
    drone.end(&task, retry(0)).await;
    assert_eq!(bench.state(id).await, State::Available, "at once");
    assert_eq!(drone.take("a").await.counters, (2, 0, 0));
}

/// `Snooze` comes back when it said and counts nothing.
pub async fn snooze_counts_nothing(bench: Bench) {
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    drone.end(&drone.take("a").await, Outcome::Snooze { after: Duration::from_secs(5) }).await;
    let view = bench.view(id).await;
    assert_eq!((view.state, counters(&view)), (State::Scheduled, (0, 0, 0)));
    assert!(drone.pump("a", 1).await.is_empty());
    bench.pass(5);
    assert_eq!(drone.take("a").await.counters, (0, 0, 0));
    assert!(bench.history(id).await.is_empty());
}

/// `Release` counts nothing, and the task keeps its place.
pub async fn release_counts_nothing_and_keeps_its_place(bench: Bench) {
    let drone = bench.drone("d").await;
    let first = bench.one("a").await;
    bench.pass(1);
    bench.one("a").await;
    let task = drone.take("a").await;
    bench.pass(1);
    drone.end(&task, Outcome::Release).await;
    let view = bench.view(first).await;
    assert_eq!((view.state, counters(&view)), (State::Available, (0, 0, 0)));
    let again = drone.take("a").await;
    assert_eq!((again.id, again.counters), (first, (0, 0, 0)), "before the one submitted later");
    assert!(bench.history(first).await.is_empty());
}

/// `Interrupt` counts an interruption, and at the limit the task is discarded.
pub async fn interrupt_counts_to_its_limit(bench: Bench) {
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    for n in 0..MAX_INTERRUPTIONS {
        assert_eq!(bench.state(id).await, State::Available);
        let task = drone.take("a").await;
        assert_eq!(task.counters, (0, 0, n));
        drone.end(&task, Outcome::Interrupt).await;
    }
    let view = bench.view(id).await;
    assert_eq!((view.state, counters(&view)), (State::Discarded, (0, 0, MAX_INTERRUPTIONS)));
    let history = bench.history(id).await;
    assert_eq!(history.len(), usize::from(MAX_INTERRUPTIONS));
    assert!(history.iter().all(|event| event.cause == Cause::Interrupted));
}

/// In all else `settle_lazily` is as `settle`; without a crash `flush` says that all of it is durable.
pub async fn a_lazy_one_is_as_another_until_it_is_flushed(bench: Bench) {
    let (drone, other) = (bench.drone("d").await, bench.drone("e").await);
    bench.accept(&bench.many("a", 3)).await;
    let tasks = drone.pump("a", 3).await;
    let follow_up = bench.many("b", 1);
    assert_eq!(drone.settle_lazily(&tasks[0], Outcome::done()).await, Verdict::Accepted);
    assert_eq!(bench.state(tasks[0].id).await, State::Completed);
    assert_eq!(drone.settle_lazily(&tasks[0], Outcome::done()).await, Verdict::Already);
    let followed = followed_by(vec![follow_up.clone()]);
    assert_eq!(drone.settle_lazily(&tasks[1], followed).await, Verdict::Accepted);
    assert_eq!(bench.state(follow_up.id.task(0)).await, State::Available);
    for of in [&drone, &drone, &other] {
        assert_eq!(bench.backend.flush(of.incarnation).await, Ok(true));
    }
    assert_eq!(drone.settle(&tasks[0], Outcome::done()).await, Verdict::Already);
    assert_eq!(drone.settle_lazily(&tasks[0], discard()).await, Verdict::Stale);
    assert_eq!(drone.settle_lazily(&tasks[2], retry(0)).await, Verdict::Accepted);
    assert_eq!(other.take("a").await.id, tasks[2].id);
    assert_eq!(drone.settle_lazily(&tasks[2], Outcome::done()).await, Verdict::Stale);
    assert_eq!(bench.state(tasks[0].id).await, State::Completed);
}

/// The same settlement again answers `already`, and changes nothing.
pub async fn repeated_it_answers_already(bench: Bench) {
    let drone = bench.drone("d").await;
    let snooze = Outcome::Snooze { after: Duration::ZERO };
    let outcomes = [
        Outcome::done(),
        discard(),
        cancel(),
        retry(0),
        retry(60),
        snooze,
        Outcome::Release,
        Outcome::Interrupt,
    ];
    for outcome in outcomes {
        bench.one("a").await;
        let task = drone.take("a").await;
        drone.end(&task, outcome.clone()).await;
        let before = bench.view(task.id).await;
        assert_eq!(drone.settle(&task, outcome.clone()).await, Verdict::Already, "{outcome:?}");
        let after = bench.view(task.id).await;
        assert_eq!((after.state, counters(&after)), (before.state, counters(&before)), "{outcome:?}");
        assert_eq!((after.run_at, after.finished_at), (before.run_at, before.finished_at));
        for rest in drone.pump("a", 9).await {
            drone.complete(&rest).await;
        }
    }
}

/// Another outcome is `stale`, and changes nothing.
pub async fn another_outcome_is_stale(bench: Bench) {
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    let task = drone.take("a").await;
    drone.complete(&task).await;
    for outcome in [discard(), cancel(), retry(0), Outcome::Release, Outcome::Interrupt] {
        assert_eq!(drone.settle(&task, outcome).await, Verdict::Stale);
    }
    let view = bench.view(id).await;
    assert_eq!((view.state, counters(&view), view.error), (State::Completed, (0, 0, 0), None));
}

/// Only the claim under which a task was handed out last can settle it.
pub async fn another_claim_is_stale(bench: Bench) {
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    let task = drone.take("a").await;
    let claim = crate::ClaimId::new(&*bench.random);
    let forged = crate::testing::Handed { claim, ..task.clone() };
    for outcome in [Outcome::done(), retry(0), Outcome::Release] {
        assert_eq!(drone.settle(&forged, outcome).await, Verdict::Stale);
    }
    assert_eq!(bench.state(id).await, State::Claimed);
    drone.complete(&task).await;
    assert_eq!(drone.settle(&forged, Outcome::done()).await, Verdict::Stale);
}

/// A claim that was given up is `stale`, before the task is claimed again and after.
pub async fn a_claim_that_was_given_up_is_stale(bench: Bench) {
    let (one, two) = (bench.drone("one").await, bench.drone("two").await);
    for outcome in [retry(0), Outcome::Release, Outcome::Interrupt] {
        bench.one("a").await;
        let old = one.take("a").await;
        one.end(&old, outcome).await;
        assert_eq!(one.settle(&old, Outcome::done()).await, Verdict::Stale, "unclaimed");
        let new = two.take("a").await;
        assert_eq!(new.id, old.id);
        assert_eq!(one.settle(&old, Outcome::done()).await, Verdict::Stale, "claimed again");
        two.complete(&new).await;
        assert_eq!(one.settle(&old, Outcome::done()).await, Verdict::Stale, "ended");
    }
}

/// A task that is not kept is `gone`.
pub async fn what_is_not_kept_is_gone(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.one("a").await;
    let task = drone.take("a").await;
    let unheard = crate::testing::Handed { block: bench.many("a", 1).id, ..task.clone() };
    assert_eq!(drone.settle(&unheard, Outcome::done()).await, Verdict::Gone);
    drone.complete(&task).await;
    bench.pass(24 * 3600 + 1);
    drone.beat(&[]).await;
    assert_eq!(drone.settle(&task, Outcome::done()).await, Verdict::Gone, "after its retention");
}

/// With a retention of zero terminal tasks vanish at once.
pub async fn retention_zero_keeps_nothing(bench: Bench) {
    bench.set(Setting::Retention(Duration::ZERO)).await;
    let drone = bench.drone("d").await;
    let block = bench.many("a", 3);
    bench.accept(&block).await;
    let tasks = drone.pump("a", 3).await;
    drone.complete(&tasks[0]).await;
    drone.end(&tasks[1], discard()).await;
    assert!(bench.detail(tasks[0].id).await.is_none());
    assert_eq!(bench.all().await.len(), 1);
    assert_eq!(drone.settle(&tasks[0], Outcome::done()).await, Verdict::Gone);
    assert_eq!(bench.submit(&block).await, crate::Submitted::Existing, "as long as one member is kept");
    drone.complete(&tasks[2]).await;
    assert!(bench.all().await.is_empty());
    assert_eq!(bench.submit(&block).await, crate::Submitted::Accepted, "nobody remembers it");
}

/// A terminal task is kept for its queue's retention, with its result or error.
pub async fn retention_keeps_results_until_it_ends(bench: Bench) {
    bench.set(Setting::Retention(Duration::from_secs(100))).await;
    let drone = bench.drone("d").await;
    let (good, bad) = (bench.one("a").await, bench.one("b").await);
    let result = Some(bytes::Bytes::from_static(b"42"));
    drone.end(&drone.take("a").await, Outcome::Complete { result, submit: Vec::new() }).await;
    drone.end(&drone.take("b").await, discard()).await;
    bench.pass(99);
    drone.beat(&[]).await;
    assert_eq!(bench.view(good).await.result.map(|r| r.get().to_owned()).as_deref(), Some("42"));
    assert_eq!(bench.view(bad).await.error.as_deref(), Some("hopeless"));
    bench.pass(2);
    drone.beat(&[]).await;
    assert!(bench.all().await.is_empty());
}

/// A retention that changes holds for what has ended already.
pub async fn retention_that_changes_holds_for_what_has_ended(bench: Bench) {
    bench.set(Setting::Retention(Duration::from_secs(10))).await;
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    drone.complete(&drone.take("a").await).await;
    bench.set(Setting::Retention(Duration::from_secs(100))).await;
    bench.pass(50);
    drone.beat(&[]).await;
    assert_eq!(bench.state(id).await, State::Completed, "kept longer");
    bench.set(Setting::Retention(Duration::from_secs(20))).await;
    drone.beat(&[]).await;
    assert!(bench.all().await.is_empty(), "and then shorter");
}

/// What went wrong is kept, oldest first, with cause, attempt and drone.
pub async fn failures_are_kept_in_order(bench: Bench) {
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    for (n, cause) in [Cause::Failed, Cause::TimedOut, Cause::Exited].into_iter().enumerate() {
        let failure = Failure::new(cause, format!("no {n}"));
        let after = Duration::from_secs(1);
        drone.end(&drone.take("a").await, Outcome::Retry { failure, after }).await;
        bench.pass(1);
    }
    let failure = Failure::new(Cause::Panicked, "no 3");
    drone.end(&drone.take("a").await, Outcome::Discard { failure }).await;
    let history = bench.history(id).await;
    let told: Vec<(Cause, u16, &str)> = history.iter().map(|e| (e.cause, e.attempts, &*e.error)).collect();
    let causes = [Cause::Failed, Cause::TimedOut, Cause::Exited, Cause::Panicked];
    let texts = ["no 0", "no 1", "no 2", "no 3"];
    let expected: Vec<_> = (0..4).map(|i| (causes[i], i as u16 + 1, texts[i])).collect();
    assert_eq!(told, expected);
    assert!(history.iter().all(|event| event.worker.as_deref() == Some("d")));
    assert!(history.is_sorted_by_key(|event| event.at));
    assert_eq!(bench.view(id).await.error.as_deref(), Some("no 3"));
}

/// A suspect is handed out as one; a release leaves that as it is, another ending clears it.
pub async fn suspects_are_remembered(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.one("a").await;
    let failure = Failure { suspect: 2, ..Failure::new(Cause::Crashed, "the drone died") };
    drone.end(&drone.take("a").await, Outcome::Retry { failure, after: Duration::ZERO }).await;
    let task = drone.take("a").await;
    assert_eq!(task.suspect, 2);
    drone.end(&task, Outcome::Release).await;
    let task = drone.take("a").await;
    assert_eq!(task.suspect, 2);
    drone.end(&task, retry(0)).await;
    assert_eq!(drone.take("a").await.suspect, 0);
}

/// It answers one `Settled` per settlement, in order; one that is stale hinders no other.
pub async fn answers_come_in_order(bench: Bench) {
    let drone = bench.drone("d").await;
    for _ in 0..3 {
        bench.one("a").await;
    }
    let tasks = drone.pump("a", 3).await;
    drone.complete(&tasks[1]).await;
    let settlement = |i: usize, outcome| Settlement {
        claim: tasks[i].claim,
        block: tasks[i].block,
        endings: vec![Ending { members: Mask::one(0), outcome }],
    };
    let all = vec![settlement(0, Outcome::done()), settlement(1, Outcome::Release), settlement(2, discard())];
    let settled = bench.backend.settle(all).await.expect("answered");
    let verdicts: Vec<Verdict> = settled.iter().flat_map(|s| Verdict::of(s, Mask::one(0))).collect();
    assert_eq!(verdicts, [Verdict::Accepted, Verdict::Stale, Verdict::Accepted]);
    assert!(bench.backend.settle(Vec::new()).await.expect("answered").is_empty());
}
