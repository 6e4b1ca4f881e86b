//! The queue cannot be reached for longer than a lease: what is buffered goes on, its outcomes are kept, and
//! afterwards nothing runs a second time.

use std::collections::HashSet;

use skep_queue::{TaskId, admin::State};
use skep_tests::{
    journal::Entry,
    plan::{Job, Plan},
};

use super::{
    process::Process,
    scene::Scene,
    wait::{BOUND, eventually, moment, until},
};

const TASKS: usize = 2_000;
/// More than the lease of the test's drones.
const OUTAGE: u64 = 3_000;

/// Tasks handed out, and of those the ones that have not ended.
fn held(scene: &Scene) -> (usize, usize) {
    let (mut claimed, mut ended): (HashSet<TaskId>, HashSet<TaskId>) = Default::default();
    for entry in scene.entries() {
        match entry {
            Entry::Claimed { task, .. } => drop(claimed.insert(task)),
            Entry::End(run) => drop(ended.insert(run.task)),
            _ => {}
        }
    }
    (claimed.len(), claimed.difference(&ended).count())
}

async fn begin(scene: &mut Scene) {
    scene.submit("work", vec![Job { millis: 3, ..Job::default() }; TASKS]).await;
}

/// Returns once the drones hold plenty; the queue has all of it still as claimed.
async fn busy(scene: &Scene) {
    let plenty = || async { (scene.depth().await < (TASKS - 100) as u64).then_some(()) };
    eventually("the drones are busy", BOUND, plenty).await;
}

/// I17: cut off, the drones work until they hold nothing that has not ended. Returns how much that was.
async fn works_on(scene: &Scene) -> usize {
    let (_, open) = held(scene);
    until("I17: what is buffered runs while the queue is away", || held(scene).1 == 0).await;
    open
}

fn roomy(scene: &Scene, name: &str) -> Plan {
    Plan { prefetch: 60, ..scene.plan(name) }
}

#[tokio::test(flavor = "multi_thread")]
async fn drones_work_through_an_outage_and_run_nothing_twice() {
    let mut scene = Scene::new().await;
    begin(&mut scene).await;
    let plans = ["one", "two"].map(|name| roomy(&scene, name));
    let mut drones = Vec::new();
    for plan in &plans {
        drones.push(Process::start(plan).ready().await);
    }
    busy(&scene).await;
    for drone in &mut drones {
        drone.cut(true).await;
    }
    let depth = scene.depth().await;
    let done = works_on(&scene).await;
    moment(OUTAGE).await;
    assert_eq!(scene.depth().await, depth, "nothing was told meanwhile");
    for drone in &mut drones {
        drone.cut(false).await;
    }
    scene.empty(BOUND).await;
    for drone in drones {
        assert!(drone.drained().await.success());
    }
    let (_, verdict) = scene.check(&format!("outage of {OUTAGE} ms, {done} run during it")).await;
    assert!(done > 100, "there was something to run: {done}");
    assert_eq!(verdict.states.get(&State::Completed), Some(&TASKS));
    assert_eq!(verdict.again, 0, "re-executions after an outage");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_killed_in_an_outage_keeps_its_outcomes() {
    let mut scene = Scene::new().await;
    begin(&mut scene).await;
    let plan = roomy(&scene, "victim");
    let mut drone = Process::start(&plan).ready().await;
    busy(&scene).await;
    drone.cut(true).await;
    let done = works_on(&scene).await;
    // The rest of the outage: the last outcomes reach the file within a fraction of it.
    moment(OUTAGE).await;
    let pid = drone.kill();
    scene.killed(pid);
    let drone = Process::start(&plan).ready().await;
    scene.empty(BOUND).await;
    assert!(drone.drained().await.success());
    let (_, verdict) = scene.check(&format!("killed in an outage, {done} run during it")).await;
    assert!(done > 100, "there was something to run: {done}");
    assert_eq!(verdict.again, 0, "nothing was running when it was killed");
}
