//! Durability, and several processes on one store. A backend that cannot be opened twice runs these on one
//! handle.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    Outcome, Submitted,
    admin::{Act, Setting, State},
    testing::{
        Bench, Verdict,
        bench::{kind, retry},
    },
};

/// What was acknowledged is there for another process.
pub async fn what_is_accepted_is_durable(bench: Bench) {
    let block = bench.many("a", 3);
    bench.accept(&block).await;
    bench.set_type("a", Setting::Capacity(Some(3))).await;
    let other = bench.reopen().await;
    assert_eq!(other.submit(&block).await, Submitted::Existing);
    assert!(matches!(other.submit(&other.many("a", 1)).await, Submitted::Rejected(_)));
    let drone = other.drone("d").await;
    let tasks = drone.pump("a", 9).await;
    assert_eq!(tasks.len(), 3);
    assert_eq!(tasks[2].payload, "2");
}

/// Claims, counters, requests and endings are there too.
pub async fn claims_are_durable(bench: Bench) {
    let drone = bench.drone("d").await;
    bench.accept(&bench.many("a", 4)).await;
    let tasks = drone.pump("a", 4).await;
    drone.complete(&tasks[0]).await;
    drone.end(&tasks[1], retry(0)).await;
    bench.act(Act::Cancel, tasks[2].id).await;
    let there = bench.reopen().await;
    let drone = drone.through(&there);
    assert_eq!(drone.beat(&[tasks[0].claim]).await.cancel, [tasks[2].id]);
    assert_eq!(drone.pump_as(tasks[0].claim, &[("a", 9)]).await, tasks[2..]);
    assert_eq!(drone.settle(&tasks[0], Outcome::done()).await, Verdict::Already);
    assert_eq!(drone.settle(&tasks[1], Outcome::done()).await, Verdict::Stale);
    assert_eq!(drone.take("a").await.counters, (1, 0, 0));
    drone.complete(&tasks[3]).await;
    assert_eq!(bench.state(tasks[3].id).await, State::Completed);
}

/// Two processes that pump at once share the tasks, and no task is with both.
pub async fn two_processes_never_share_a_task(bench: Bench) {
    let handles = [bench.clone(), bench.reopen().await];
    for _ in 0..3 {
        bench.accept(&bench.many("a", 100)).await;
    }
    let mut pumps = tokio::task::JoinSet::new();
    for i in 0..12 {
        let drone = handles[i % 2].drone(&format!("d{i}")).await;
        pumps.spawn(async move { drone.pump("a", 30).await });
    }
    let mut seen = BTreeSet::new();
    for task in pumps.join_all().await.into_iter().flatten() {
        assert_eq!(task.fence, 1);
        assert!(seen.insert(task.id), "{} twice", task.id);
    }
    assert_eq!(seen.len(), 300);
}

/// Two processes that submit at once never exceed the capacity.
pub async fn capacity_holds_across_processes(bench: Bench) {
    let handles = [bench.clone(), bench.reopen().await];
    bench.set(Setting::Capacity(Some(20))).await;
    let mut submits = tokio::task::JoinSet::new();
    for i in 0..16 {
        let (bench, block) = (handles[i % 2].clone(), bench.many("a", 3));
        submits.spawn(async move { bench.submit_all(&[block], true).await.remove(0) });
    }
    let accepted = submits.join_all().await.into_iter().map(|answer| match answer {
        Submitted::Accepted => 3,
        Submitted::Partly { accepted, .. } => accepted,
        Submitted::Rejected(_) => 0,
        other => panic!("{other:?}"),
    });
    assert_eq!(accepted.sum::<usize>(), 20);
    assert_eq!(bench.depth().await, 20);
}

/// A wait for arrivals returns: soon when there is something, after a while when there is nothing.
pub async fn arrival_returns(bench: Bench) {
    let bound = Duration::from_secs(20);
    let types = [kind("a")];
    let arrival = tokio::time::timeout(bound, bench.backend.arrival(&types)).await;
    assert!(arrival.is_ok(), "it waits for ever");
    let (waiting, waited) = (bench.clone(), types.clone());
    let mut wait = tokio::task::JoinSet::new();
    wait.spawn(async move { waiting.backend.arrival(&waited).await });
    bench.one("a").await;
    assert!(tokio::time::timeout(bound, wait.join_next()).await.is_ok(), "it slept through a task");
    let dropped = tokio::time::timeout(Duration::ZERO, bench.backend.arrival(&[])).await;
    let _ = dropped; // Safe to drop, whether or not it had returned.
    bench.one("a").await;
}
