//! What a pump promises.

use std::time::Duration;

use crate::{
    Block, ClaimId, Clock, Due, Priority, QueueName, TaskId,
    admin::{Setting, State},
    testing::{Bench, Drone, Handed, bench::retry},
};

fn ids(tasks: &[Handed]) -> Vec<TaskId> {
    tasks.iter().map(|task| task.id).collect()
}

/// Takes one task after the other, and completes it.
async fn one_by_one(drone: &Drone, n: usize) -> Vec<TaskId> {
    let mut order = Vec::new();
    for _ in 0..n {
        let task = drone.take("a").await;
        drone.complete(&task).await;
        order.push(task.id);
    }
    order
}

/// It hands out at most `room` tasks a demand.
pub async fn room_is_never_exceeded(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.many("a", 128)).await;
    for room in [15, 1, 0, 112] {
        assert_eq!(drone.pump("a", room).await.len(), room);
    }
    assert!(drone.pump("a", 128).await.is_empty());
    let singles: Vec<Block> = (0..5).map(|_| bench.many("b", 1)).collect();
    bench.submit_all(&singles, false).await;
    assert_eq!(drone.pump("b", 4).await.len(), 4);
}

/// .. the lowest priority number first,
pub async fn lowest_priority_number_first(bench: Bench) {
    let drone = bench.drone("d").await;
    let mut expected = Vec::new();
    for number in [5, 1, 3, 2, 4] {
        let priority = Priority::try_from(number).expect("a priority");
        let id = bench.accept(&Block { priority, ..bench.many("a", 1) }).await.task(0);
        expected.push((number, id));
        bench.pass(1);
    }
    expected.sort_unstable();
    let order = one_by_one(&drone, 5).await;
    assert_eq!(order, expected.iter().map(|(_, id)| *id).collect::<Vec<_>>());
}

/// .. then the earliest due,
pub async fn then_the_earliest_due(bench: Bench) {
    let drone = bench.drone("d").await;
    let late = bench.accept(&Block { due: Due::In(Duration::from_secs(9)), ..bench.many("a", 1) }).await;
    let soon = bench.accept(&Block { due: Due::In(Duration::from_secs(3)), ..bench.many("a", 1) }).await;
    bench.pass(5);
    let middle = bench.accept(&bench.many("a", 1)).await;
    bench.pass(5);
    assert_eq!(one_by_one(&drone, 3).await, [soon, middle, late].map(|block| block.task(0)));
}

/// .. then the first submitted: by block, then by ordinal.
pub async fn then_the_first_submitted(bench: Bench) {
    let drone = bench.drone("d").await;
    let (first, second) = (bench.many("a", 3), bench.many("a", 2));
    // The ids are not the order.
    let blocks = if first.id < second.id { [second, first] } else { [first, second] };
    bench.submit_all(&blocks, false).await;
    let third = bench.accept(&bench.many("a", 1)).await;
    let mut expected: Vec<TaskId> = Vec::new();
    for block in &blocks {
        expected.extend((0..block.payloads.len() as u8).map(|o| block.id.task(o)));
    }
    expected.push(third.task(0));
    assert_eq!(one_by_one(&drone, 6).await, expected);
}

/// No task is handed out before it is due, and every task is from that very moment.
pub async fn nothing_before_it_is_due(bench: Bench) {
    let drone = bench.drone("d").await;
    let at = bench.clock.now() + Duration::from_secs(10);
    let id = bench.accept(&Block { due: Due::At(at), ..bench.many("a", 1) }).await.task(0);
    let delayed = Block { due: Due::In(Duration::from_secs(20)), ..bench.many("a", 3) };
    bench.accept(&delayed).await;
    assert_eq!(bench.state(id).await, State::Scheduled);
    assert_eq!(bench.view(id).await.run_at, at);
    bench.clock.advance(Duration::from_micros(9_999_999));
    assert!(drone.pump("a", 9).await.is_empty(), "a microsecond early");
    bench.clock.advance(Duration::from_micros(1));
    assert_eq!(bench.state(id).await, State::Available);
    assert_eq!(ids(&drone.pump("a", 9).await), [id]);
    bench.pass(9);
    assert!(drone.pump("a", 9).await.is_empty());
    bench.pass(1);
    assert_eq!(drone.pump("a", 9).await.len(), 3);
}

/// A moment that has passed means at once, and comes before what became due later.
pub async fn a_moment_that_has_passed_is_now(bench: Bench) {
    let drone = bench.drone("d").await;
    let now = bench.one("a").await;
    let past = Due::At(bench.clock.now() - Duration::from_secs(60));
    let id = bench.accept(&Block { due: past, ..bench.many("a", 1) }).await.task(0);
    let zero = Block { due: Due::In(Duration::ZERO), ..bench.many("a", 1) };
    let zero = bench.accept(&zero).await.task(0);
    assert_eq!(bench.state(id).await, State::Available);
    assert_eq!(one_by_one(&drone, 3).await, [id, now, zero]);
}

/// What was available stays available, whichever way the wall clock steps.
pub async fn a_clock_that_steps_back_hides_nothing(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.many("a", 3)).await;
    let task = drone.take("a").await;
    drone.end(&task, retry(0)).await;
    bench.clock.step_wall(-3_600_000_000);
    assert_eq!(drone.pump("a", 9).await.len(), 3);
}

/// .. while it is claimed,
pub async fn nothing_that_is_claimed(bench: Bench) {
    let (one, two) = (bench.drone("one").await, bench.drone("two").await);
    bench.accept(&bench.many("a", 10)).await;
    let first = one.pump("a", 6).await;
    let second = two.pump("a", 9).await;
    assert_eq!((first.len(), second.len()), (6, 4));
    assert!(ids(&first).iter().all(|id| !ids(&second).contains(id)));
    assert!(one.pump("a", 9).await.is_empty() && two.pump("a", 9).await.is_empty());
    assert_eq!(bench.state(first[0].id).await, State::Claimed);
}

/// .. or while its type is paused,
pub async fn nothing_of_a_paused_type(bench: Bench) {
    let drone = bench.drone("d").await;
    let (a, b) = (bench.one("a").await, bench.one("b").await);
    bench.set_type("a", Setting::Paused(true)).await;
    let claim = ClaimId::new(&*bench.random);
    assert_eq!(ids(&drone.pump_as(claim, &[("a", 5), ("b", 5)]).await), [b]);
    bench.set_type("a", Setting::Paused(false)).await;
    assert_eq!(ids(&drone.pump("a", 5).await), [a]);
}

/// .. or its queue; what is claimed already is answered all the same.
pub async fn nothing_of_a_paused_queue(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.many("a", 2)).await;
    let task = drone.take("a").await;
    bench.set(Setting::Paused(true)).await;
    assert!(drone.pump("a", 5).await.is_empty());
    assert_eq!(drone.pump_as(task.claim, &[("a", 1)]).await, [task]);
    bench.one("a").await;
    bench.set(Setting::Paused(false)).await;
    assert_eq!(drone.pump("a", 5).await.len(), 2);
}

/// A pump is of one queue, and of the types that it names.
pub async fn only_of_the_queue_and_type_asked_for(bench: Bench) {
    let mut drone = bench.drone("d").await;
    let queue: QueueName = "other".parse().expect("a name");
    let other = bench.accept(&Block { queue: queue.clone(), ..bench.many("a", 1) }).await.task(0);
    let own = bench.one("a").await;
    bench.one("b").await;
    assert_eq!(ids(&drone.pump("a", 5).await), [own]);
    assert!(drone.pump("c", 5).await.is_empty());
    drone.queue = queue;
    let tasks = drone.pump("a", 5).await;
    assert_eq!((ids(&tasks), tasks[0].queue.as_str()), (vec![other], "other"));
}

/// One claim id serves all demands, each with its own room.
pub async fn one_claim_serves_all_types(bench: Bench) {
    let drone = bench.drone("d").await;
    for task_type in ["a", "b", "c"] {
        bench.accept(&bench.many(task_type, 4)).await;
    }
    let claim = ClaimId::new(&*bench.random);
    let tasks = drone.pump_as(claim, &[("a", 3), ("b", 9), ("c", 0)]).await;
    let of = |name: &str| tasks.iter().filter(|task| task.task_type.as_str() == name).count();
    assert_eq!([of("a"), of("b"), of("c")], [3, 4, 0]);
    for task in &tasks {
        drone.complete(task).await;
    }
}

/// Asked again with the same claim id it answers the same, and claims nothing new.
pub async fn repeated_it_answers_the_same(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.many("a", 10)).await;
    let first = drone.pump("a", 4).await;
    assert_eq!(drone.pump_as(first[0].claim, &[("a", 4)]).await, first);
    assert_eq!(drone.pump_as(first[0].claim, &[("a", 9), ("b", 1)]).await, first, "with more room");
    assert_eq!(drone.pump_as(first[0].claim, &[]).await, first, "with none");
    assert_eq!(drone.pump("a", 10).await.len(), 6);
}

/// .. but only what is left of it.
pub async fn repeated_it_answers_what_is_left(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.many("a", 10)).await;
    let tasks = drone.pump("a", 4).await;
    drone.complete(&tasks[1]).await;
    drone.end(&tasks[3], crate::Outcome::Release).await;
    let left = [tasks[0].clone(), tasks[2].clone()];
    assert_eq!(drone.pump_as(tasks[0].claim, &[("a", 4)]).await, left);
    assert_eq!(bench.queue("default").await.map(|q| q.claimed), Some(2));
}

/// Every claim of a task raises its fence by one.
pub async fn every_claim_raises_the_fence(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.many("a", 2)).await;
    for fence in 1..=4 {
        let tasks = drone.pump("a", 2).await;
        assert_eq!(tasks.iter().map(|task| task.fence).collect::<Vec<_>>(), [fence, fence]);
        drone.end(&tasks[0], crate::Outcome::Release).await;
        drone.end(&tasks[1], retry(0)).await;
    }
}

/// Nothing to hand out is an empty answer, for a queue that nobody has heard of too.
pub async fn nothing_to_hand_out_is_an_empty_answer(bench: Bench) {
    let mut drone = bench.drone("d").await;
    assert!(drone.pump("a", 5).await.is_empty());
    drone.queue = "unheard".parse().expect("a name");
    assert!(drone.pump("a", 5).await.is_empty());
}
