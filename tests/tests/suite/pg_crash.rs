//! `kill -9` within the server, under load: of a process that serves somebody, whereupon the server throws all
//! out and recovers; and of the postmaster.

use rustix::process::{Pid, Signal, kill_process};
use skep_queue::{
    QueueName,
    admin::{Setting, State},
};
use skep_tests::plan::Plan;

use super::{
    process::Process,
    server::Fleet,
    wait::{BOUND, Chance, moment, short_or_long, until},
};

const CAPACITY: u64 = 2_000;
/// Submitted one by one, for one crash: more than a drone reports in one call.
const SINGLES: usize = 3_000;
/// Those that serve skep, by chance.
const SERVING: &str = "select pid from pg_stat_activity where backend_type = 'client backend' \
     and pid <> pg_backend_pid() order by random() limit 1";

/// Kills a process that serves somebody.
pub async fn kill_one(fleet: &mut Fleet) {
    kill(fleet, SERVING).await;
}

/// Kills the process of the server whose pid a query answers; returns when the server has recovered by itself.
pub async fn kill(fleet: &Fleet, query: &str) {
    let victim: i32 = fleet.sql(query).unwrap().parse().unwrap();
    let recovered = || fleet.server.log().matches("ready to accept connections").count();
    let before = recovered();
    kill_process(Pid::from_raw(victim).unwrap(), Signal::KILL).unwrap();
    until("the server recovers", || recovered() > before).await;
}

async fn kill_all(fleet: &mut Fleet) {
    fleet.server.kill();
    fleet.again().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_of_the_server_are_killed_and_nothing_acknowledged_is_lost() {
    let Some(mut fleet) = Fleet::start("crashes of a server").await else { return };
    let chance = Chance::new("pg_crash");
    let capacity = Setting::Capacity(Some(CAPACITY));
    fleet.scene.queue.set(QueueName::default(), None, capacity).await.unwrap();
    let mut drones = Vec::new();
    for name in ["one", "two"] {
        let plan = Plan { prefetch: 30, parting: BOUND, ..fleet.scene.plan(name) };
        drones.push(Process::start(&plan).ready().await);
    }
    fleet.push(2);
    for crash in 0..short_or_long(4, 20) {
        fleet.busy(200).await;
        moment(chance.within(0..500)).await;
        if crash % 2 == 0 { kill_one(&mut fleet).await } else { kill_all(&mut fleet).await }
    }
    fleet.busy(200).await;
    fleet.stop_pushing().await;
    fleet.drain(&["one", "two"]).await;
    for drone in drones {
        assert!(drone.drained().await.success());
    }
    let (_, verdict) = fleet.check("pg_crash").await;
    assert_eq!(verdict.again, 0, "a claim that was answered outlives the server");
}

/// Blocks of one that take no time: outcomes come many at a time, and wait for the disk together.
#[tokio::test(flavor = "multi_thread")]
async fn outcomes_that_a_server_forgets_are_reported_again() {
    let Some(mut fleet) = Fleet::start("outcomes that a server forgets").await else { return };
    let chance = Chance::new("pg_crash, outcomes");
    let (names, mut drones) = (["one", "two"], Vec::new());
    for name in names {
        let plan = Plan { hands: 64, prefetch: 30, parting: BOUND, ..fleet.scene.plan(name) };
        drones.push(Process::start(&plan).ready().await);
    }
    let rounds = short_or_long(4, 20);
    let submit = format!("select skep.submit('work', '{{}}') from generate_series(1, {SINGLES})");
    for crash in 0..rounds {
        let ids = fleet.sql(&submit).unwrap();
        fleet.scene.acknowledged(ids.lines().map(|id| id.parse().unwrap()));
        fleet.busy(200).await;
        moment(chance.within(0..500)).await;
        if crash % 2 == 0 {
            kill_one(&mut fleet).await
        } else {
            kill_all(&mut fleet).await
        }
        fleet.scene.empty(BOUND).await;
    }
    fleet.drain(&names).await;
    for drone in drones {
        assert!(drone.drained().await.success());
    }
    let (_, verdict) = fleet.check("pg_crash, outcomes").await;
    assert_eq!(verdict.states.get(&State::Completed), Some(&(rounds * SINGLES)));
    assert_eq!(verdict.again, 0, "an outcome that a crash undid is in its drone's outbox");
}
