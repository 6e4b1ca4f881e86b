//! What an operator sees and does.

use std::time::Duration;

use crate::{
    Block, Cause, Clock, Due, Error, Outcome, QueueName, Reason,
    admin::{Act, Acted, Filter, Intake, Setting, State},
    testing::{
        Bench, Verdict,
        bench::{discard, kind, retry},
    },
};

fn later(bench: &Bench, task_type: &str) -> Block {
    Block { due: Due::In(Duration::from_secs(60)), ..bench.many(task_type, 1) }
}

/// A waiting task is cancelled at once, and that is on file.
pub async fn a_waiting_task_is_cancelled_at_once(bench: Bench) {
    let drone = bench.drone("d").await;
    let (now, scheduled) = (bench.one("a").await, bench.accept(&later(&bench, "a")).await.task(0));
    for id in [now, scheduled] {
        assert_eq!(bench.act(Act::Cancel, id).await, Acted::Done);
        let view = bench.view(id).await;
        assert_eq!((view.state, view.attempts), (State::Cancelled, 0));
        assert_eq!(view.finished_at, Some(bench.clock.now()));
        assert_eq!(bench.history(id).await.last().map(|event| event.cause), Some(Cause::Cancelled));
    }
    bench.pass(60);
    assert!(drone.pump("a", 9).await.is_empty());
    assert_eq!(bench.depth().await, 0);
}

/// A late settle by an old claim of a cancelled task is `stale`.
pub async fn a_late_settle_of_a_cancelled_task_is_stale(bench: Bench) {
    let (late, watcher) = (bench.drone("late").await, bench.drone("watcher").await);
    let id = bench.one("a").await;
    let task = late.take("a").await;
    bench.watch(&watcher, &[], 70).await;
    assert_eq!(bench.act(Act::Cancel, id).await, Acted::Done);
    assert_eq!(late.settle(&task, Outcome::done()).await, Verdict::Stale);
    assert_eq!(bench.state(id).await, State::Cancelled);
}

/// A scheduled task is made available now; its attempts stay.
pub async fn a_scheduled_task_is_made_available(bench: Bench) {
    let drone = bench.drone("d").await;
    let id = bench.accept(&later(&bench, "a")).await.task(0);
    bench.pass(1);
    assert_eq!(bench.act(Act::Retry, id).await, Acted::Done);
    let view = bench.view(id).await;
    assert_eq!((view.state, view.run_at), (State::Available, bench.clock.now()));
    drone.end(&drone.take("a").await, retry(60)).await;
    assert_eq!(bench.act(Act::Retry, id).await, Acted::Done);
    assert_eq!(drone.take("a").await.counters, (1, 0, 0));
}

/// A discarded or cancelled task begins anew; its history stays.
pub async fn a_discarded_task_begins_anew(bench: Bench) {
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    drone.end(&drone.take("a").await, Outcome::Interrupt).await;
    let task = drone.take("a").await;
    drone.end(&task, discard()).await;
    assert_eq!(bench.act(Act::Retry, id).await, Acted::Done);
    let view = bench.view(id).await;
    assert_eq!((view.state, view.attempts, view.interruptions), (State::Available, 0, 0));
    assert_eq!((view.finished_at, view.run_at), (None, bench.clock.now()));
    assert_eq!(bench.history(id).await.len(), 2);
    assert_eq!(bench.depth().await, 1);
    assert_eq!(drone.settle(&task, Outcome::done()).await, Verdict::Stale, "the old claim is void");
    let again = drone.take("a").await;
    assert_eq!((again.id, again.fence), (id, task.fence + 1));
    drone.complete(&again).await;
    let id = bench.one("a").await;
    bench.act(Act::Cancel, id).await;
    assert_eq!(bench.act(Act::Retry, id).await, Acted::Done);
    assert_eq!(drone.take("a").await.id, id);
}

/// Bringing a task back needs room.
pub async fn bringing_back_needs_room(bench: Bench) {
    bench.set(Setting::Capacity(Some(1))).await;
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    drone.end(&drone.take("a").await, discard()).await;
    bench.one("b").await;
    assert!(matches!(bench.act(Act::Retry, id).await, Acted::Rejected(r) if r.reason == Reason::QueueFull));
    assert_eq!(bench.state(id).await, State::Discarded);
    drone.complete(&drone.take("b").await).await;
    assert_eq!(bench.act(Act::Retry, id).await, Acted::Done);
}

/// .. and its unique key, if it has one.
pub async fn bringing_back_needs_its_key(bench: Bench) {
    let id = bench.accept(&bench.keyed("a", "k")).await.task(0);
    bench.act(Act::Cancel, id).await;
    let other = bench.accept(&bench.keyed("a", "k")).await.task(0);
    assert!(matches!(bench.act(Act::Retry, id).await, Acted::Rejected(r) if r.reason == Reason::KeyFull));
    bench.act(Act::Cancel, other).await;
    assert_eq!(bench.act(Act::Retry, id).await, Acted::Done);
    let holder = id;
    assert_eq!(bench.submit(&bench.keyed("a", "k")).await, crate::Submitted::Conflict { holder });
}

/// `Discard` ends what waits.
pub async fn discard_ends_what_waits(bench: Bench) {
    let (now, scheduled) = (bench.one("a").await, bench.accept(&later(&bench, "a")).await.task(0));
    for id in [now, scheduled] {
        assert_eq!(bench.act(Act::Discard, id).await, Acted::Done);
        let view = bench.view(id).await;
        assert_eq!((view.state, view.attempts), (State::Discarded, 0));
        assert!(view.error.is_some(), "and says so");
    }
    assert_eq!(bench.depth().await, 0);
}

/// An act that makes no sense changes nothing, and says in which state the task is.
pub async fn acts_that_make_no_sense_change_nothing(bench: Bench) {
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    assert_eq!(bench.act(Act::Retry, id).await, Acted::Unchanged(State::Available));
    let task = drone.take("a").await;
    assert_eq!(bench.act(Act::Retry, id).await, Acted::Unchanged(State::Claimed));
    assert_eq!(bench.act(Act::Discard, id).await, Acted::Unchanged(State::Claimed));
    drone.complete(&task).await;
    for act in [Act::Cancel, Act::Retry, Act::Discard] {
        assert_eq!(bench.act(act, id).await, Acted::Unchanged(State::Completed));
    }
    let id = bench.one("a").await;
    bench.act(Act::Discard, id).await;
    for act in [Act::Cancel, Act::Discard] {
        assert_eq!(bench.act(act, id).await, Acted::Unchanged(State::Discarded));
    }
    assert_eq!(bench.act(Act::Cancel, bench.many("a", 1).id.task(0)).await, Acted::NotFound);
}

/// Acts are answered in order, each on its own.
pub async fn acts_are_answered_in_order(bench: Bench) {
    let drone = bench.drone("d").await;
    let block = bench.accept(&bench.many("a", 3)).await;
    drone.take("a").await;
    let ids = vec![block.task(0), block.task(1), block.task(1), block.task(7), block.task(2)];
    let acted = bench.backend.act(Act::Cancel, ids).await.expect("answered");
    let unchanged = Acted::Unchanged(State::Cancelled);
    assert_eq!(acted, [Acted::Requested, Acted::Done, unchanged, Acted::NotFound, Acted::Done]);
}

/// A task whose cancel was requested may still complete: it was too late.
pub async fn a_cancelled_claimed_task_may_still_complete(bench: Bench) {
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    let task = drone.take("a").await;
    assert_eq!(bench.act(Act::Cancel, id).await, Acted::Requested);
    assert_eq!(bench.state(id).await, State::Claimed);
    drone.complete(&task).await;
    assert_eq!(bench.state(id).await, State::Completed);
    assert!(drone.beat(&[]).await.cancel.is_empty());
}

/// A queue is counted by state, and by type.
pub async fn queues_count_by_state(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.many("a", 4)).await;
    let tasks = drone.pump("a", 3).await;
    drone.complete(&tasks[0]).await;
    drone.end(&tasks[1], retry(60)).await;
    bench.accept(&later(&bench, "b")).await;
    let queue = bench.queue("default").await.expect("there");
    assert_eq!((queue.scheduled, queue.available, queue.claimed, queue.depth), (2, 1, 1, 4));
    let depths: Vec<(&str, u64)> = queue.types.iter().map(|t| (t.name.as_str(), t.depth)).collect();
    assert!(depths.contains(&("a", 3)) && depths.contains(&("b", 1)), "{depths:?}");
    bench.pass(60);
    let queue = bench.queue("default").await.expect("there");
    assert_eq!((queue.scheduled, queue.available), (0, 3), "what is due is available");
}

/// Settings are shown; what was not set is as it begins. A type has fewer than a queue.
pub async fn settings_are_shown(bench: Bench) {
    bench.one("a").await;
    let queue = bench.queue("default").await.expect("there");
    assert_eq!((queue.capacity, queue.paused, queue.intake), (None, false, Intake::Open));
    assert_eq!(queue.retention, 24 * 3600);
    for setting in [
        Setting::Capacity(Some(7)),
        Setting::Paused(true),
        Setting::Intake(Intake::Draining),
        Setting::Retention(Duration::from_secs(5)),
    ] {
        bench.set(setting).await;
    }
    bench.set_type("z", Setting::Capacity(Some(3))).await;
    bench.set_type("z", Setting::Paused(true)).await;
    let queue = bench.queue("default").await.expect("there");
    assert_eq!((queue.capacity, queue.paused, queue.intake), (Some(7), true, Intake::Draining));
    assert_eq!(queue.retention, 5);
    let of_type = queue.types.iter().find(|t| t.name == kind("z")).expect("set, so there");
    assert_eq!((of_type.capacity, of_type.paused, of_type.depth), (Some(3), true, 0));
    let other: QueueName = "other".parse().expect("a name");
    bench.backend.set(other.clone(), None, Setting::Paused(true)).await.expect("made by its setting");
    assert!(bench.queue("other").await.is_some_and(|queue| queue.paused));
    let refused = bench.backend.set(other, Some(kind("a")), Setting::Intake(Intake::Paused)).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
}

/// Tasks are found by state, queue, type and last cause, and at most so many.
pub async fn find_filters(bench: Bench) {
    let drone = bench.drone("d").await;
    let (a, b) = (bench.one("a").await, bench.one("b").await);
    let queue: QueueName = "other".parse().expect("a name");
    let other = bench.accept(&Block { queue: queue.clone(), ..bench.many("a", 1) }).await.task(0);
    drone.end(&drone.take("b").await, discard()).await;
    let found = async |filter: Filter| {
        let mut ids: Vec<_> = bench.find(filter).await.into_iter().map(|view| view.id).collect();
        ids.sort_unstable();
        ids
    };
    let sorted = |mut ids: Vec<_>| {
        ids.sort_unstable();
        ids
    };
    let all = || Filter { limit: 10, ..Filter::default() };
    assert_eq!(found(all()).await, sorted(vec![a, b, other]));
    assert_eq!(found(Filter { states: vec![State::Discarded], ..all() }).await, [b]);
    let two = Filter { states: vec![State::Discarded, State::Available], ..all() };
    assert_eq!(found(two).await.len(), 3);
    assert_eq!(found(Filter { queue: Some(queue), ..all() }).await, [other]);
    assert_eq!(found(Filter { task_type: Some(kind("a")), ..all() }).await, sorted(vec![a, other]));
    assert_eq!(found(Filter { cause: Some(Cause::Failed), ..all() }).await, [b]);
    assert!(found(Filter { cause: Some(Cause::Lost), ..all() }).await.is_empty());
    assert_eq!(found(Filter { limit: 2, ..all() }).await.len(), 2);
}

/// .. the newest first.
pub async fn find_answers_the_newest_first(bench: Bench) {
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(bench.one("a").await);
        bench.pass(1);
    }
    let found: Vec<_> = bench.all().await.into_iter().map(|view| view.id).collect();
    assert_eq!(found, ids.iter().rev().copied().collect::<Vec<_>>());
    let newest = bench.find(Filter { limit: 1, ..Filter::default() }).await;
    assert_eq!(newest[0].id, ids[3]);
}

/// A task names the drone that has it, or ended it.
pub async fn a_task_names_its_drone(bench: Bench) {
    let drone = bench.drone("one").await;
    let id = bench.one("a").await;
    assert_eq!(bench.view(id).await.worker, None);
    let task = drone.take("a").await;
    assert_eq!(bench.view(id).await.worker.as_deref(), Some("one"));
    let heir = bench.drone("two").await;
    heir.beat(&[task.claim]).await;
    assert_eq!(bench.view(id).await.worker.as_deref(), Some("two"));
    heir.complete(&task).await;
    heir.leave().await;
    assert_eq!(bench.view(id).await.worker.as_deref(), Some("two"), "also when it is gone");
}

/// Drones are listed with what they tell of themselves.
pub async fn drones_are_listed(bench: Bench) {
    let drone = bench.drone("one").await;
    bench.drone("two").await;
    bench.pass(5);
    drone.beat(&[]).await;
    bench.backend.drain(drone.incarnation).await.expect("answered");
    let drones = bench.backend.drones().await.expect("listed");
    assert_eq!(drones.len(), 2);
    let view = drones.iter().find(|view| view.incarnation == drone.incarnation).expect("listed");
    assert_eq!((&view.facts, view.queue.as_str()), (&drone.facts, "default"));
    assert_eq!((view.beat_at, view.silent, view.draining), (bench.clock.now(), false, true));
}

/// A type is served when a drone of its queue says so.
pub async fn a_type_is_served_when_a_drone_says_so(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.one("a").await;
    bench.one("unserved").await;
    let queue = bench.queue("default").await.expect("there");
    let served = |name: &str| queue.types.iter().find(|t| t.name == kind(name)).map(|t| t.served);
    assert_eq!((served("a"), served("unserved")), (Some(true), Some(false)));
    drone.leave().await;
    let queue = bench.queue("default").await.expect("there");
    assert!(queue.types.iter().all(|t| !t.served));
}
