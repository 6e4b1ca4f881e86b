//! A server that is there, and does not answer; and a drone that is there, and asks for nothing.

use std::time::Duration;

use skep_queue::admin::State;
use skep_tests::{
    journal::Entry,
    plan::{Job, Plan},
};

use super::{
    process::Process,
    server::Fleet,
    wait::{moment, until},
};

/// How long the server stands still: longer than a lease.
const STILL: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_holds_up_no_drone() {
    let Some(mut fleet) = Fleet::start("a server that stands still").await else { return };
    let queue = format!("{}&answer_timeout=1&connect_timeout=1", fleet.scene.url);
    let tasks = 2_000;
    fleet.scene.submit("work", vec![Job { millis: 10, ..Job::default() }; tasks]).await;
    let mut drones = Vec::new();
    for name in ["one", "two"] {
        let plan = Plan { queue: queue.clone(), prefetch: 30, hands: 4, ..fleet.scene.plan(name) };
        drones.push(Process::start(&plan).ready().await);
    }
    fleet.busy(100).await;
    fleet.server.freeze();
    let before = fleet.begun();
    until("I17: what is held runs while the server stands still", || open(&fleet) == 0).await;
    let meanwhile = fleet.begun() - before;
    moment(STILL.as_millis() as u64).await;
    fleet.server.thaw();
    fleet.drain(&["one", "two"]).await;
    for drone in drones {
        assert!(drone.drained().await.success(), "nothing is left in an outbox");
    }
    let (_, verdict) = fleet.check(&format!("pg_still, {meanwhile} run while it stood still")).await;
    assert_eq!(verdict.states.get(&State::Completed), Some(&tasks));
    assert!(meanwhile > 50, "there was something to run: {meanwhile}");
    assert_eq!(verdict.again, 0, "re-executions by a server that stood still");
}

/// Tasks handed out, of which the drone heard, and which have not ended.
fn open(fleet: &Fleet) -> usize {
    let count = |what: fn(&Entry) -> bool| fleet.scene.entries().iter().filter(|entry| what(entry)).count();
    let claimed = count(|entry| matches!(entry, Entry::Claimed { .. }));
    claimed.saturating_sub(count(|entry| matches!(entry, Entry::End(_))))
}

/// How long an idle drone is watched.
const WATCHED: Duration = Duration::from_secs(40);
/// What its connections are called, in the server's log of statements.
const IDLER: &str = "idler";

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_with_nothing_to_do_asks_once_a_second_at_most() {
    let Some(fleet) = Fleet::start("statements of an idle drone").await else { return };
    let logged = "alter system set log_line_prefix = '%a: '";
    fleet.sql(logged).unwrap();
    fleet.sql("alter system set log_statement = 'all'").unwrap();
    fleet.sql("select pg_reload_conf()").unwrap();
    let queue = format!("{}&application_name={IDLER}", fleet.scene.url);
    let (ttl, beat) = (Duration::from_secs(60), Duration::from_secs(10));
    let plan = Plan { queue, ttl, beat, ..fleet.scene.plan(IDLER) };
    let drone = Process::start(&plan).ready().await;
    // Connections are made, plans too, and the bell was heard: from then on it waits.
    let statements = |what: &str| said(&fleet.server.log(), what);
    until("it listens, and looks", || statements("skep.awaits") > 2 && statements("LISTEN") > 0).await;
    let before = statements("");
    moment(WATCHED.as_millis() as u64).await;
    let log = fleet.server.log();
    let asked = said(&log, "") - before;
    let of: Vec<String> = ["awaits", "pump", "beat", "ring", "maintain", "rescue", "settle"]
        .map(|name| format!("{name} {}", said(&log, &format!("skep.{name}"))))
        .into();
    eprintln!(
        "pg_still: {asked} statements of an idle drone in {WATCHED:?}; since its start: {}",
        of.join(", ")
    );
    assert!(drone.drained().await.success());
    assert!(asked > 0, "it is alive");
    assert!(asked as u64 <= WATCHED.as_secs(), "{asked} statements in {WATCHED:?}");
}

/// Statements of the idle drone in a log, that hold this text.
fn said(log: &str, what: &str) -> usize {
    let ours = format!("{IDLER}: LOG:  ");
    let statements = log.lines().filter_map(|line| line.strip_prefix(&ours));
    let texts = statements.filter(|text| text.starts_with("execute ") || text.starts_with("statement: "));
    texts.filter(|text| text.contains(what)).count()
}
