//! A server that crashes right after it handed out tasks, which run for longer than it takes to come back: it has
//! forgotten its claims, its drones have not.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use skep_queue::admin::State;
use skep_tests::plan::{Job, Plan};

use super::{
    pg_crash::kill,
    process::Process,
    server::Fleet,
    wait::{BOUND, Chance, moment, short_or_long, until},
};

/// Handed out in one round: as many as there are hands.
const TASKS: usize = 24;
/// How long each runs: what is handed out is still held when the server is back.
const MILLIS: u64 = 2500;
/// The process by which what did not wait for the disk comes there. Once it stands still, only commits that wait
/// bring it there; and when it is killed, the server throws all out and recovers.
const LOG_WRITER: &str = "select pid from pg_stat_activity where backend_type = 'walwriter'";
/// Every drone has said what it holds.
const OVER: &str = "select count(*) from skep.recovery where over";
/// The time of the server.
const NOW: &str = "select clock_timestamp()";

/// Without a ring, upon which drones would beat: and a beat flushes the log.
fn submit(fleet: &mut Fleet) {
    let job = serde_json::to_string(&Job { millis: MILLIS, ..Job::default() }).unwrap();
    let sql = format!("select skep.submit_many('work', array_fill('{job}'::jsonb, array[{TASKS}]))");
    let ids = fleet.sql(&sql).unwrap();
    fleet.scene.acknowledged(ids.lines().map(|id| id.parse().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_forgets_what_it_handed_out_and_nothing_runs_twice() {
    let Some(mut fleet) = Fleet::start("claims that a server forgets").await else { return };
    let chance = Chance::new("pg_claims");
    let (names, mut drones) = (["one", "three", "two"], Vec::new());
    for name in names {
        // No beat flushes the log while the tasks run.
        let (ttl, beat) = (Duration::from_secs(60), Duration::from_secs(20));
        let plan = Plan { ttl, beat, prefetch: 1, parting: BOUND, ..fleet.scene.plan(name) };
        drones.push(Process::start(&plan).ready().await);
    }
    let (rounds, mut forgotten) = (short_or_long(4, 20), 0);
    for _ in 0..rounds {
        let begun = fleet.begun();
        let log_writer: i32 = fleet.sql(LOG_WRITER).unwrap().parse().unwrap();
        kill_process(Pid::from_raw(log_writer).unwrap(), Signal::STOP).unwrap();
        submit(&mut fleet);
        until("they run", || fleet.begun() >= begun + TASKS / 2).await;
        moment(chance.within(0..100)).await;
        let before = fleet.sql(NOW).unwrap();
        kill(&fleet, LOG_WRITER).await;
        until("every drone is heard", || fleet.sql(OVER).is_ok_and(|over| over == "1")).await;
        // Those that it had forgotten, since nothing else waits.
        forgotten += fleet.number(&format!("select count(*) from skep.claims where at > '{before}'"));
        fleet.scene.empty(BOUND).await;
    }
    fleet.drain(&names).await;
    for drone in drones {
        assert!(drone.drained().await.success());
    }
    let (_, verdict) = fleet.check(&format!("pg_claims, {forgotten} claims forgotten")).await;
    assert_eq!(verdict.states.get(&State::Completed), Some(&(rounds * TASKS)));
    assert!(forgotten > 0, "some crash met a claim that was not on disk");
    assert_eq!(verdict.again, 0, "what a drone holds is not handed out to another");
}
