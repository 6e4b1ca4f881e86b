//! Managers that are gone: one of two, whose work the other does; and all of them, while drones go on.

use std::{collections::HashSet, time::Duration};

use skep_queue::{TaskId, admin::State};
use skep_tests::{
    journal::Entry,
    plan::{Job, Plan},
};

use super::{
    managers::{Manager, Pushers, busy},
    process::Process,
    scene::Scene,
    server::Fleet,
    wait::{BOUND, eventually, moment, short_or_long, until},
};

const TASKS: usize = 2_000;
/// More than the lease of the test's drones.
const OUTAGE: u64 = 3_000;

#[tokio::test(flavor = "multi_thread")]
async fn two_managers_of_one_server_stand_in_for_each_other() {
    let Some(mut fleet) = Fleet::start("two managers of one server").await else { return };
    let folder = fleet.scene.dir.path().to_owned();
    let mut managers = Vec::new();
    for name in ["east", "west"] {
        managers.push(Manager::start(&folder, name, &fleet.scene.url).await);
    }
    let [east, west] = [managers[0].url(), managers[1].url()];
    let both = |first: &str, second: &str| format!("{first},{}", second.trim_start_matches("unix:"));
    let urls = [both(&east, &west), both(&west, &east)];
    let mut drones = Vec::new();
    for (name, url) in ["one", "two"].into_iter().zip(&urls) {
        let plan = Plan {
            queue: url.clone(),
            ttl: Duration::from_secs(10),
            parting: BOUND,
            ..fleet.scene.plan(name)
        };
        drones.push(Process::start(&plan).ready().await);
    }
    let pushers = Pushers::start(&fleet.scene, &urls);
    for round in 0..short_or_long(2, 20) {
        busy(&fleet.scene, 100).await;
        let manager = &mut managers[round % 2];
        manager.kill();
        // With the other alone everything goes on.
        busy(&fleet.scene, 200).await;
        manager.again().await;
    }
    let acknowledged = pushers.stop(&mut fleet.scene).await;
    fleet.drain(&["one", "two"]).await;
    for drone in drones {
        assert!(drone.drained().await.success(), "nothing is left in an outbox");
    }
    let (_, verdict) = fleet.check(&format!("two managers: {acknowledged} told")).await;
    assert_eq!(verdict.again, 0, "a manager that is gone takes nothing with it");
}

/// Tasks handed out, and of those the ones that have not ended.
fn open(scene: &Scene) -> usize {
    let (mut claimed, mut ended): (HashSet<TaskId>, HashSet<TaskId>) = Default::default();
    for entry in scene.entries() {
        match entry {
            Entry::Claimed { task, .. } => drop(claimed.insert(task)),
            Entry::End(run) => drop(ended.insert(run.task)),
            _ => {}
        }
    }
    claimed.difference(&ended).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_manager_drones_work_on_and_report_later() {
    let mut scene = Scene::new().await;
    let mut manager = Manager::start(scene.dir.path(), "manager", &scene.url).await;
    scene.submit("work", vec![Job { millis: 3, ..Job::default() }; TASKS]).await;
    let mut drones = Vec::new();
    for name in ["one", "two"] {
        let plan = Plan { queue: manager.url(), prefetch: 60, ..scene.plan(name) };
        drones.push(Process::start(&plan).ready().await);
    }
    let plenty = || async { (scene.depth().await < (TASKS - 100) as u64).then_some(()) };
    eventually("the drones are busy", BOUND, plenty).await;
    manager.kill();
    let (depth, held) = (scene.depth().await, open(&scene));
    until("I17: what is buffered runs while no manager is there", || open(&scene) == 0).await;
    moment(OUTAGE).await;
    assert_eq!(scene.depth().await, depth, "nothing was told meanwhile");
    manager.again().await;
    scene.empty(BOUND).await;
    for drone in drones {
        assert!(drone.drained().await.success());
    }
    let (_, verdict) = scene.check(&format!("without a manager for {OUTAGE} ms, {held} run meanwhile")).await;
    assert!(held > 100, "there was something to run: {held}");
    assert_eq!(verdict.states.get(&State::Completed), Some(&TASKS));
    assert_eq!(verdict.again, 0, "re-executions after an outage");
}
