//! Callers whose drone is killed: who must not be run twice hears that it is lost, and soon; who may is run by
//! another drone, and never hears of it.

use std::time::Duration;

use skep_manager::client::caller::Error;
use skep_queue::{
    BlockId, Clock, TaskId,
    block::OnLost,
    clock::{SystemClock, SystemRandom},
};
use skep_tests::{
    journal::{Entry, Run},
    plan::{Job, Plan},
};

use super::{
    managers::{HEARTBEAT, Manager},
    process::Process,
    scene::Scene,
    wait::{BOUND, until},
};

/// What a notice may take beyond the heartbeat on a machine that does much else.
const SLACK: Duration = Duration::from_secs(2);

fn id() -> TaskId {
    BlockId::new(&SystemClock, &SystemRandom).task(0)
}

/// The processes in which a task has begun.
fn begun(scene: &Scene, task: TaskId) -> Vec<u32> {
    let begun = |entry| match entry {
        Entry::Begin(run) if run.task == task => Some(run.pid),
        _ => None,
    };
    scene.entries().into_iter().filter_map(begun).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_a_killed_drone_hear_of_it_or_are_served_by_another() {
    let mut scene = Scene::new().await;
    let manager = Manager::start(scene.dir.path(), "manager", &scene.url).await;
    let client = manager.client().await;
    // A lease far longer than the test: only the lost link tells.
    let plan = |name: &str| Plan { queue: manager.url(), ttl: BOUND * 5, ..scene.plan(name) };
    let (victim, heir) = (plan("victim"), plan("heir"));
    let victim = Process::start(&victim).ready().await;
    let job = Job { millis: 2_000, ..Job::default() };
    let (fail, retry) = (id(), id());
    let failing = client.call::<Run>("slow", &job, BOUND).id(fail);
    let retried = client.call::<Run>("slow", &job, BOUND).id(retry).on_lost(OnLost::Retry);
    let failing = async { (failing.await, SystemClock.elapsed()) };
    let torment = async {
        until("both run", || !begun(&scene, fail).is_empty() && !begun(&scene, retry).is_empty()).await;
        let heir = Process::start(&heir).ready().await;
        (victim.kill(), heir, SystemClock.elapsed())
    };
    let ((lost, told), run, (pid, heir, killed)) = tokio::join!(failing, async { retried.await }, torment);
    scene.killed(pid);
    assert_eq!(lost, Err(Error::Lost { id: fail }));
    let took = told.saturating_sub(killed);
    assert!(took < HEARTBEAT + SLACK, "told within the heartbeat: {took:?}");
    let run = run.unwrap();
    assert_eq!((run.task, run.pid), (retry, heir.pid()));
    assert_eq!(begun(&scene, fail), [pid], "it was not run again");
    assert_eq!(begun(&scene, retry), [pid, heir.pid()]);
    assert!(heir.drained().await.success());
    scene.acknowledged([fail, retry]);
    let (_, verdict) = scene.check(&format!("callers of a killed drone, told after {took:?}")).await;
    assert_eq!((verdict.again, verdict.unexplained), (1, 0));
}
