//! Handlers that write to the server of their queue, and complete their task in the same transaction, in a drone
//! that is killed at random moments: each effect is there once, whatever ran twice.

use skep_queue::{TaskId, admin::State};
use skep_tests::{
    plan::{Job, Plan},
    work::{BOOKED, BOOKS},
};

use super::{
    process::Process,
    server::Fleet,
    wait::{Chance, moment, short_or_long},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_wrote_with_its_completion_is_there_once() {
    let Some(mut fleet) = Fleet::start("effects in the transaction that completes").await else { return };
    let (tasks, kills) = short_or_long((1_500, 5), (8_000, 20));
    let chance = Chance::new("pg_book");
    fleet.sql(BOOKS).unwrap();
    let jobs = (0..tasks).map(|_| Job { millis: chance.within(0..10), ..Job::default() });
    fleet.scene.submit(BOOKED, jobs.collect::<Vec<_>>()).await;
    let plan = Plan { hands: 8, ..fleet.scene.plan("bookkeeper") };
    for _ in 0..kills {
        let drone = Process::start(&plan).ready().await;
        // Not while it starts: it is to have transactions open.
        fleet.busy(plan.hands).await;
        moment(chance.within(0..200)).await;
        fleet.scene.killed(drone.kill());
    }
    let drone = Process::start(&plan).ready().await;
    fleet.drain(&["bookkeeper"]).await;
    assert!(drone.drained().await.success());
    let (history, verdict) = fleet.check("pg_book").await;
    assert_eq!(verdict.states.get(&State::Completed), Some(&(tasks as usize)));
    let booked = fleet.sql("select task, pid from public.books").unwrap();
    let mut lines: Vec<(TaskId, u32)> = booked.lines().map(line).collect();
    lines.sort();
    let twice = lines.windows(2).filter(|pair| pair[0].0 == pair[1].0).count();
    // What a run wrote that did not complete the task went with its transaction.
    let cut: usize = history.runs().values().map(|runs| runs.len() - 1).sum();
    let unheard = lines.iter().filter(|(_, pid)| history.killed.contains_key(pid)).count();
    eprintln!(
        "pg_book: lines {}, twice {twice}, runs undone {cut}, by drones that were killed {unheard}",
        lines.len()
    );
    assert_eq!((lines.len(), twice), (tasks as usize, 0));
    assert!(cut > 0, "some kill met an open transaction");
}

fn line(line: &str) -> (TaskId, u32) {
    let (task, pid) = line.split_once('|').unwrap();
    (task.parse().unwrap(), pid.parse().unwrap())
}
