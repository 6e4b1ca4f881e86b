//! Two drones: on one local file, which is refused; and on one queue, with one of them frozen for longer than
//! its lease.

use std::time::Duration;

use rustix::process::Signal;
use skep_queue::{Cause, admin::State};
use skep_tests::{
    check::Verdict,
    plan::{Job, Plan},
};

use super::{
    process::Process,
    scene::Scene,
    server::Fleet,
    wait::{BOUND, eventually, moment},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_drone_on_one_local_file_is_refused() {
    let mut scene = Scene::new().await;
    let plan = scene.plan("first");
    let first = Process::start(&plan).ready().await;
    let mut second = Process::start(&Plan { name: "second".into(), ..plan.clone() });
    assert_eq!(second.ended().await.code(), Some(3));
    let (log, path) = (second.log(), plan.local.display().to_string());
    assert!(log.contains(&path) && log.contains(&format!("pid {}", first.pid())), "{log}");
    scene.submit("work", vec![Job::default(); 100]).await;
    scene.empty(BOUND).await;
    assert!(first.drained().await.success());
    scene.check("two drones on one file").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_drone_is_rescued_and_settles_nothing_stale() {
    let mut scene = Scene::new().await;
    freeze_one(&mut scene).await;
    let (_, verdict) = scene.check("frozen").await;
    assert_frozen(&verdict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_drone_of_a_server_is_rescued_and_settles_nothing_stale() {
    let Some(mut fleet) = Fleet::start("a frozen drone of a server").await else { return };
    freeze_one(&mut fleet.scene).await;
    let (_, verdict) = fleet.check("pg_frozen").await;
    assert_frozen(&verdict);
}

const FROZEN_TASKS: usize = 1_000;

/// Two drones, of which one is frozen for three leases.
async fn freeze_one(scene: &mut Scene) {
    scene.submit("work", vec![Job { millis: 15, ..Job::default() }; FROZEN_TASKS]).await;
    let short = |name: &str| Plan {
        ttl: Duration::from_secs(1),
        beat: Duration::from_millis(150),
        prefetch: 10,
        ..scene.plan(name)
    };
    let (frozen, other) = (short("frozen"), short("other"));
    let frozen = Process::start(&frozen).ready().await;
    let other = Process::start(&other).ready().await;
    frozen.freeze(&scene.url).await;
    scene.only_drones(&["other"]).await;
    // The rescue is done; the rest of three leases only makes it later.
    moment(2_000).await;
    frozen.signal(Signal::CONT);
    scene.empty(BOUND).await;
    scene.only_drones(&["frozen", "other"]).await;
    assert!(frozen.drained().await.success() && other.drained().await.success());
}

fn assert_frozen(verdict: &Verdict) {
    assert_eq!(verdict.states.get(&State::Completed), Some(&FROZEN_TASKS));
    assert!(verdict.causes[Cause::Lost.as_str()] > 0, "the rescue is counted");
    assert!(verdict.late > 0, "what the frozen drone ran came too late, and changed nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_everywhere_lose_nothing_and_run_nothing_twice() {
    const TASKS: usize = 2_000;
    let mut scene = Scene::new().await;
    scene.submit("work", vec![Job { millis: 1, ..Job::default() }; TASKS]).await;
    // A fifth of all calls fails, of the others a fifth is not heard of, and so on.
    let faulty = |name: &str, seed| Plan {
        faults: 5,
        seed,
        ttl: Duration::from_secs(30),
        parting: Duration::from_secs(30),
        prefetch: 50,
        ..scene.plan(name)
    };
    let plans = [faulty("one", 1), faulty("two", 2)];
    let one = Process::start(&plans[0]).ready().await;
    let two = Process::start(&plans[1]).ready().await;
    scene.empty(BOUND * 2).await;
    let unheard = || async {
        let drones = scene.queue.drones().await.unwrap();
        drones.iter().all(|drone| drone.facts.held == 0).then_some(())
    };
    eventually("both have heard that all is settled", BOUND, unheard).await;
    assert!(one.drained().await.success() && two.drained().await.success());
    let (_, verdict) = scene.check("lost replies").await;
    assert_eq!(verdict.states.get(&State::Completed), Some(&TASKS));
    assert_eq!((verdict.again, verdict.unexplained), (0, 0), "no lease was lost, so nothing ran twice");
}
