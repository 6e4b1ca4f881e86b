//! Who waits: since when, and what waiting long is worth.

use std::time::Duration;

use crate::{
    Block, Clock, Due, Error, Outcome, Priority, QueueName, TaskId,
    admin::{PROMOTE_AFTER, Setting, State, Waits},
    testing::{
        Bench, Drone,
        bench::{kind, retry},
    },
};

/// The clauses' own time: ten seconds are worth one priority.
const EVERY: Duration = Duration::from_secs(10);

async fn promoting(bench: &Bench) -> Drone {
    bench.set(Setting::PromoteAfter(Some(EVERY))).await;
    bench.drone("d").await
}

fn of(bench: &Bench, number: u8, members: usize) -> Block {
    let priority = Priority::try_from(number).expect("a priority");
    Block { priority, ..bench.many("a", members) }
}

async fn one(bench: &Bench, number: u8) -> TaskId {
    bench.accept(&of(bench, number, 1)).await.task(0)
}

async fn take(drone: &Drone) -> TaskId {
    drone.take("a").await.id
}

/// A task that has been due for k times the queue's time is handed out as if its priority number were k lower,
/// from that very moment.
pub async fn who_waits_long_is_promoted(bench: Bench) {
    let drone = promoting(&bench).await;
    let low = one(&bench, 5).await;
    let micro = Duration::from_micros(1);
    for number in [4, 3] {
        bench.clock.advance(EVERY - micro);
        let fresh = one(&bench, number).await;
        assert_eq!(take(&drone).await, fresh, "a microsecond early");
        bench.clock.advance(micro);
    }
    let fresh = [one(&bench, 2).await, one(&bench, 3).await];
    assert_eq!([take(&drone).await, take(&drone).await, take(&drone).await], [fresh[0], low, fresh[1]]);
}

/// Without that setting the order is strict, however long somebody waits.
pub async fn without_it_the_order_is_strict(bench: Bench) {
    let drone = promoting(&bench).await;
    bench.set(Setting::PromoteAfter(None)).await;
    let low = one(&bench, 4).await;
    bench.pass(1_000_000);
    let fresh = one(&bench, 3).await;
    assert_eq!([take(&drone).await, take(&drone).await], [fresh, low]);
}

/// .. but never below 1, where the order is as ever: the earliest due, then the first submitted.
pub async fn order_among_the_promoted_is_as_ever(bench: Bench) {
    let drone = promoting(&bench).await;
    let first = one(&bench, 1).await;
    bench.pass(1);
    let (low, soon) = (one(&bench, 4).await, one(&bench, 2).await);
    bench.pass(100);
    let last = one(&bench, 1).await;
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(take(&drone).await);
    }
    assert_eq!(order, [first, low, soon, last]);
}

/// A task is handed out under the priority that it counted as, also when it is asked for again; what is shown
/// stays.
pub async fn a_promoted_task_is_handed_out_as_it_counted(bench: Bench) {
    let drone = promoting(&bench).await;
    let id = one(&bench, 5).await;
    bench.pass(25);
    assert_eq!(bench.view(id).await.priority.number(), 5);
    let task = drone.take("a").await;
    assert_eq!((task.id, task.priority.number()), (id, 3));
    bench.pass(10);
    assert_eq!(drone.pump_as(task.claim, &[]).await, std::slice::from_ref(&task));
    assert_eq!(bench.view(id).await.priority.number(), 5);
    drone.end(&task, retry(0)).await;
    assert_eq!(drone.take("a").await.priority.number(), 5, "it waits anew");
}

/// Waiting begins when a task is due: neither before that, nor before it was tried last.
pub async fn waiting_counts_from_the_due_time(bench: Bench) {
    let drone = promoting(&bench).await;
    let due = Due::In(Duration::from_secs(60));
    let later = bench.accept(&Block { due, ..of(&bench, 4, 1) }).await.task(0);
    bench.pass(60);
    let fresh = one(&bench, 3).await;
    assert_eq!(take(&drone).await, fresh);
    let task = drone.take("a").await;
    assert_eq!(task.id, later);
    bench.pass(30);
    drone.end(&task, retry(0)).await;
    let fresh = one(&bench, 3).await;
    assert_eq!([take(&drone).await, take(&drone).await], [fresh, later]);
}

/// Blocks that are promoted are split where the room ends, and what is left waits in its place.
pub async fn promoted_blocks_fill_the_room(bench: Bench) {
    let drone = promoting(&bench).await;
    let singles: Vec<Block> = (0..150).map(|_| of(&bench, 5, 1)).collect();
    let is_single = |block| singles.iter().any(|single| single.id == block);
    bench.submit_all(&singles, false).await;
    bench.pass(1);
    let low = bench.accept(&of(&bench, 4, 10)).await;
    bench.pass(20);
    let fresh = bench.accept(&of(&bench, 2, 128)).await;
    let normal = bench.accept(&of(&bench, 3, 5)).await;
    let take = async |room| {
        let tasks = drone.pump("a", room).await;
        let of = |block| tasks.iter().filter(|task| task.block == block).count();
        let singly = tasks.iter().filter(|task| is_single(task.block)).count();
        [of(low), of(fresh), singly, of(normal)]
    };
    // The singles count as 3, the block of ten as 2, where it is due before the fresh one.
    assert_eq!(take(7).await, [7, 0, 0, 0]);
    assert_eq!(take(100).await, [3, 97, 0, 0]);
    assert_eq!(take(171).await, [0, 31, 140, 0]);
    assert_eq!(take(1000).await, [0, 0, 10, 5]);
}

/// .. whatever became of some of their members before.
pub async fn a_promoted_block_in_parts_is_taken_whole(bench: Bench) {
    let drone = promoting(&bench).await;
    let block = bench.accept(&of(&bench, 4, 9)).await;
    let next = one(&bench, 4).await;
    for n in [1, 3] {
        let tasks = drone.pump("a", n).await;
        for task in &tasks {
            drone.end(task, Outcome::Release).await;
        }
    }
    bench.pass(25);
    let fresh = one(&bench, 3).await;
    let tasks = drone.pump("a", 9).await;
    assert!(tasks.len() == 9 && tasks.iter().all(|task| task.block == block), "the others come later");
    assert_eq!([take(&drone).await, take(&drone).await], [next, fresh]);
}

/// It is a queue's own, not a type's, and others know nothing of it; it is shown as it is kept.
pub async fn the_time_of_promotion_is_shown(bench: Bench) {
    bench.one("a").await;
    let shown = async || bench.queue("default").await.expect("there").promote_after;
    assert_eq!(shown().await, None);
    let [least, most] = PROMOTE_AFTER;
    for (time, kept) in [
        (Duration::from_micros(1_500_001), Duration::from_micros(1_500_001)),
        (Duration::ZERO, least),
        (Duration::MAX, most),
        (EVERY, EVERY),
    ] {
        bench.set(Setting::PromoteAfter(Some(time))).await;
        assert_eq!(shown().await, Some(kept));
    }
    let other: QueueName = "other".parse().expect("a name");
    let refused = bench.backend.set(other, Some(kind("a")), Setting::PromoteAfter(None)).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    bench.set(Setting::PromoteAfter(None)).await;
    assert_eq!(shown().await, None);
}

/// A queue tells when the available task that has waited longest was due.
pub async fn queues_tell_who_waits_longest(bench: Bench) {
    let drone = bench.drone("d").await;
    let since = async || bench.queue("default").await.and_then(|queue| queue.waiting_since);
    let start = bench.clock.now();
    bench.accept(&Block { due: Due::In(Duration::from_secs(60)), ..of(&bench, 1, 1) }).await;
    assert_eq!(since().await, None, "what is scheduled does not wait");
    bench.pass(5);
    bench.accept(&of(&bench, 5, 2)).await;
    bench.pass(5);
    bench.one("b").await;
    assert_eq!(since().await, Some(start + Duration::from_secs(5)));
    drone.pump("a", 1).await;
    assert_eq!(since().await, Some(start + Duration::from_secs(5)), "its other member waits");
    drone.pump("a", 1).await;
    assert_eq!(since().await, Some(start + Duration::from_secs(10)));
    let task = drone.take("b").await;
    assert_eq!(since().await, None, "what is claimed does not wait");
    drone.complete(&task).await;
    bench.pass(60);
    assert_eq!(since().await, Some(start + Duration::from_secs(60)), "what is due does, pumped or not");
    assert_eq!(bench.all().await.iter().filter(|task| task.state == State::Available).count(), 1);
}

/// .. and how many have waited how long: each is in one band, and in the next from the very moment in which that begins.
pub async fn queues_tell_how_many_wait_how_long(bench: Bench) {
    let drone = bench.drone("d").await;
    let waits = async || <[u64; 6]>::from(bench.queue("default").await.expect("there").waits);
    bench.accept(&of(&bench, 5, 100)).await;
    drone.pump("a", 30).await;
    // What is claimed does not wait, nor what is scheduled.
    bench.accept(&Block { due: Due::In(Duration::from_secs(3600)), ..of(&bench, 1, 2) }).await;
    let (mut passed, micro) = (Duration::ZERO, Duration::from_micros(1));
    for (band, bound) in Waits::BOUNDS.into_iter().enumerate() {
        bench.clock.advance(bound - micro - passed);
        let mut expected = [0; 6];
        expected[band] = 70;
        assert_eq!(waits().await, expected, "a microsecond before {bound:?}");
        bench.clock.advance(micro);
        passed = bound;
        if band < 4 {
            expected.swap(band, band + 1);
            assert_eq!(waits().await, expected, "at {bound:?}");
        }
    }
    assert_eq!(waits().await, [2, 0, 0, 0, 0, 70], "it waits from when it is due, pumped or not");
    bench.one("b").await;
    bench.pass(1);
    assert_eq!(waits().await, [0, 3, 0, 0, 0, 70], "of all types together");
}
