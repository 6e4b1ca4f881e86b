//! The server goes away under drones and submitters, for less than a lease and for more, with a word and
//! without: nothing that was acknowledged is lost or there twice, and an outage alone runs nothing again.

use std::{collections::HashSet, time::Duration};

use skep_queue::{QueueName, TaskId, admin::Setting};
use skep_tests::{
    journal::{self, Entry},
    plan::Plan,
};

use super::{
    process::Process,
    server::Fleet,
    wait::{BOUND, Chance, moment, short_or_long, until},
};

/// Keeps what is left at the end to a size that drains soon.
const CAPACITY: u64 = 2_000;
/// The lease of the test's drones.
const TTL: Duration = Duration::from_secs(2);

/// How a server goes, and for how long.
#[derive(Debug, Clone, Copy)]
struct Outage {
    /// Longer than a lease.
    long: bool,
    /// Without a word, as when the power fails.
    sudden: bool,
}

const OUTAGES: [Outage; 4] = [
    Outage { long: false, sudden: true },
    Outage { long: true, sudden: true },
    Outage { long: true, sudden: false },
    Outage { long: false, sudden: false },
];

/// Tasks handed out since a moment, and not ended.
fn open(entries: &[Entry], since: u64) -> usize {
    let (mut claimed, mut ended): (HashSet<TaskId>, HashSet<TaskId>) = Default::default();
    for entry in entries {
        match entry {
            Entry::Claimed { task, at, .. } if *at > since => drop(claimed.insert(*task)),
            Entry::End(run) => drop(ended.insert(run.task)),
            _ => {}
        }
    }
    claimed.difference(&ended).count()
}

async fn strike(fleet: &mut Fleet, outage: Outage, since: u64, chance: &Chance) -> usize {
    fleet.busy(200).await;
    if outage.sudden {
        fleet.server.stop();
    } else {
        fleet.server.halt();
    }
    let before = fleet.begun();
    if outage.long {
        let what = "I17: what is buffered runs while the server is away";
        until(what, || open(&fleet.scene.entries(), since) == 0).await;
        moment(TTL.as_millis() as u64 * 3 / 2).await;
    } else {
        moment(chance.within(200..900)).await;
    }
    let meanwhile = fleet.begun() - before;
    fleet.again().await;
    meanwhile
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_and_goes_loses_nothing_and_runs_nothing_again() {
    let Some(mut fleet) = Fleet::start("outages of a server").await else { return };
    let chance = Chance::new("pg_outage");
    let capacity = Setting::Capacity(Some(CAPACITY));
    fleet.scene.queue.set(QueueName::default(), None, capacity).await.unwrap();
    let mut drones = Vec::new();
    for name in ["one", "two"] {
        let plan = Plan { ttl: TTL, prefetch: 30, parting: BOUND, ..fleet.scene.plan(name) };
        drones.push(Process::start(&plan).ready().await);
    }
    fleet.push(2);
    let (mut meanwhile, mut since) = (0, 0);
    for outage in OUTAGES.iter().cycle().take(short_or_long(3, 20)) {
        meanwhile += strike(&mut fleet, *outage, since, &chance).await;
        since = journal::now();
    }
    fleet.busy(200).await;
    fleet.stop_pushing().await;
    fleet.drain(&["one", "two"]).await;
    for drone in drones {
        assert!(drone.drained().await.success(), "nothing is left in an outbox");
    }
    let (_, verdict) = fleet.check(&format!("pg_outage, {meanwhile} run while it was away")).await;
    assert!(meanwhile > 50, "there was something to run: {meanwhile}");
    assert_eq!(verdict.again, 0, "re-executions by an outage");
}
