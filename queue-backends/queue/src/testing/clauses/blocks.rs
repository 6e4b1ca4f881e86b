//! Members of a block lead lives of their own.

use std::collections::BTreeSet;

use crate::{
    Ending, Mask, Outcome, Settlement,
    admin::State,
    testing::{
        Bench, Verdict,
        bench::{discard, retry},
    },
};

/// Members settle each on their own.
pub async fn members_settle_each_on_their_own(bench: Bench) {
    let drone = bench.drone("d").await;
    let block = bench.accept(&bench.many("a", 5)).await;
    let tasks = drone.pump("a", 5).await;
    drone.complete(&tasks[3]).await;
    drone.end(&tasks[0], discard()).await;
    drone.end(&tasks[4], retry(60)).await;
    drone.end(&tasks[1], Outcome::Release).await;
    let states = [State::Discarded, State::Available, State::Claimed, State::Completed, State::Scheduled];
    for (ordinal, state) in (0..).zip(states) {
        assert_eq!(bench.state(block.task(ordinal)).await, state, "member {ordinal}");
    }
    assert_eq!(bench.depth().await, 3);
}

/// Ordinals 0 and 127 are members like others.
pub async fn the_first_and_the_last_ordinal_work(bench: Bench) {
    let drone = bench.drone("d").await;
    let block = bench.accept(&bench.many("a", 128)).await;
    let tasks = drone.pump("a", 128).await;
    assert_eq!((&*tasks[0].payload, &*tasks[127].payload), (&b"0"[..], &b"127"[..]));
    let claim = tasks[0].claim;
    let ends = Mask::one(0) | Mask::one(127);
    let settled = drone.settle_all(claim, block, ends, Outcome::done()).await;
    assert_eq!(settled.accepted, ends);
    assert_eq!(bench.state(block.task(127)).await, State::Completed);
    assert_eq!(bench.state(block.task(126)).await, State::Claimed);
    let settled = drone.settle_all(claim, block, Mask::first(128), Outcome::done()).await;
    assert_eq!((settled.accepted, settled.already), (Mask::first(128) - ends, ends));
    assert_eq!(bench.depth().await, 0);
}

/// A block is split where the room ends, and no member is lost or handed out twice.
pub async fn a_block_is_split_where_the_room_ends(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.many("a", 128)).await;
    let mut seen = BTreeSet::new();
    for round in 0..9 {
        let tasks = drone.pump("a", 15).await;
        assert_eq!(tasks.len(), if round < 8 { 15 } else { 8 });
        for task in &tasks {
            assert_eq!(task.payload, task.ordinal.to_string());
            assert!(seen.insert(task.ordinal), "{} twice", task.ordinal);
        }
    }
    assert_eq!(seen.len(), 128);
}

/// Members of one block may be with several drones; each settles what it has, and only that.
pub async fn members_of_one_block_go_to_several_drones(bench: Bench) {
    let (one, two) = (bench.drone("one").await, bench.drone("two").await);
    let block = bench.accept(&bench.many("a", 4)).await;
    let (first, second) = (one.pump("a", 2).await, two.pump("a", 2).await);
    let settled = one.settle_all(first[0].claim, block, Mask::first(4), Outcome::done()).await;
    assert_eq!((settled.accepted, settled.stale), (Mask::first(2), Mask::first(4) - Mask::first(2)));
    for task in &second {
        two.complete(task).await;
    }
}

/// A member that is tried again comes back alone, with its payload and its counters.
pub async fn a_retried_member_comes_back_alone(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.many("a", 3)).await;
    let tasks = drone.pump("a", 3).await;
    drone.end(&tasks[1], retry(5)).await;
    drone.complete(&tasks[0]).await;
    bench.pass(5);
    let again = drone.pump("a", 9).await;
    assert_eq!(again.len(), 1);
    assert_eq!(
        (again[0].id, &again[0].payload, again[0].counters),
        (tasks[1].id, &tasks[1].payload, (1, 0, 0))
    );
    drone.complete(&again[0]).await;
    drone.complete(&tasks[2]).await;
}

/// One settlement may end members differently.
pub async fn one_settlement_ends_members_differently(bench: Bench) {
    let drone = bench.drone("d").await;
    let block = bench.accept(&bench.many("a", 4)).await;
    let tasks = drone.pump("a", 4).await;
    let ending = |ordinal, outcome| Ending { members: Mask::one(ordinal), outcome };
    let endings = vec![ending(2, Outcome::done()), ending(0, discard()), ending(3, retry(60))];
    let settlement = Settlement { claim: tasks[0].claim, block, endings };
    for verdict in [Verdict::Accepted, Verdict::Already] {
        let settled = bench.backend.settle(vec![settlement.clone()]).await.expect("answered");
        let members: Mask = [0, 2, 3].into_iter().collect();
        assert_eq!(Verdict::of(&settled[0], members), [verdict.clone(), verdict.clone(), verdict]);
    }
    let states = [State::Discarded, State::Claimed, State::Completed, State::Scheduled];
    for (ordinal, state) in (0..).zip(states) {
        assert_eq!(bench.state(block.task(ordinal)).await, state, "member {ordinal}");
    }
}

/// Members that a block does not have are `gone`.
pub async fn members_that_do_not_exist_are_gone(bench: Bench) {
    let drone = bench.drone("d").await;
    let block = bench.accept(&bench.many("a", 2)).await;
    let claim = drone.pump("a", 2).await[0].claim;
    let settled = drone.settle_all(claim, block, Mask::first(4), Outcome::done()).await;
    assert_eq!(settled.accepted, Mask::first(2));
    assert_eq!(settled.gone, Mask::first(4) - Mask::first(2));
    assert!(bench.detail(block.task(2)).await.is_none());
}
