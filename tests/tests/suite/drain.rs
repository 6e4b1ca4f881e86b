//! Ending a drone: asked, insisted, killed. What had not started is handed back free of charge, the exit
//! tells the truth, and no process is left.

use std::{fs, path::Path};

use rustix::process::Signal;
use skep_queue::admin::State;
use skep_tests::{
    journal::{self, Entry},
    plan::{Job, Plan, Said},
};

use super::{
    process::Process,
    scene::Scene,
    wait::{BOUND, until},
};

/// Processes that the drone's workers, or what those started, have left: they carry the journal's name.
fn left(journal: &Path) -> Vec<String> {
    let mark = format!("{}={}", journal::VARIABLE, journal.display());
    let carries = |process: &fs::DirEntry| {
        let environ = fs::read(process.path().join("environ")).unwrap_or_default();
        environ.split(|&b| b == 0).any(|variable| variable == mark.as_bytes())
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().filter(carries);
    processes.map(|process| process.file_name().to_string_lossy().into_owned()).collect()
}

fn begun(scene: &Scene) -> usize {
    scene.entries().iter().filter(|entry| matches!(entry, Entry::Begin(_))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_hands_back_free_of_charge() {
    const TASKS: usize = 400;
    let mut scene = Scene::new().await;
    scene.submit("work", vec![Job { millis: 50, ..Job::default() }; TASKS]).await;
    scene.submit("child", vec![Job { millis: 50, ..Job::default() }; TASKS]).await;
    let plan = Plan { hands: 4, children: 2, ..scene.plan("drained") };
    let mut drone = Process::start(&plan).ready().await;
    until("work and children are at it", || begun(&scene) > 20).await;
    assert!(!left(&plan.journal).is_empty(), "children run");
    drone.signal(Signal::TERM);
    assert!(drone.ended().await.success(), "{}", drone.log());
    assert!(drone.said(&Said::Ended { unreported: 0, interrupted: 0 }));
    until("I15: no process is left", || left(&plan.journal).is_empty()).await;
    scene.only_drones(&[]).await;
    let tasks = scene.tasks().await;
    let free = |task: &&skep_queue::admin::TaskView| {
        (task.attempts, task.losses, task.interruptions, task.state) == (0, 0, 0, State::Available)
    };
    let (done, back) = (begun(&scene), tasks.iter().filter(free).count());
    assert_eq!(done + back, 2 * TASKS, "what began is done, the rest is back, and nothing was charged");
    assert_eq!(tasks.iter().filter(|task| task.state == State::Completed).count(), done);
    eprintln!("drain: done {done}, handed back free of charge {back}, exit 0");
    let drone = Process::start(&Plan { hands: 64, children: 8, ..plan }).ready().await;
    scene.empty(BOUND).await;
    assert!(drone.drained().await.success());
    let (_, verdict) = scene.check("drain").await;
    assert_eq!(verdict.again, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_term_ends_at_once_and_the_exit_says_so() {
    let mut scene = Scene::new().await;
    scene.submit("slow", vec![Job { millis: 600_000, ..Job::default() }; 20]).await;
    let plan = Plan { hands: 4, grace: BOUND * 10, ..scene.plan("hurried") };
    let mut drone = Process::start(&plan).ready().await;
    until("all hands are at it", || begun(&scene) == 4).await;
    drone.signal(Signal::TERM);
    until("it drains", || drone.log().contains("draining")).await;
    drone.signal(Signal::TERM);
    assert_eq!(drone.ended().await.code(), Some(1), "{}", drone.log());
    assert!(drone.said(&Said::Ended { unreported: 0, interrupted: 4 }));
    let tasks = scene.tasks().await;
    assert!(tasks.iter().all(|task| task.state == State::Available && task.attempts == 0));
    assert_eq!(tasks.iter().filter(|task| task.interruptions == 1).count(), 4);
    eprintln!("second TERM: interrupted 4, handed back 16, exit 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_drone_leaves_no_process() {
    let mut scene = Scene::new().await;
    scene.submit("child", vec![Job { millis: 20, ..Job::default() }; 200]).await;
    let plan = Plan { hands: 1, children: 3, ..scene.plan("victim") };
    let drone = Process::start(&plan).ready().await;
    until("the children are at it", || begun(&scene) > 10).await;
    let before = left(&plan.journal).len();
    assert!(before >= 6, "three workers, and a process of each: {before}");
    let pid = drone.kill();
    scene.killed(pid);
    until("I15: no process is left", || left(&plan.journal).is_empty()).await;
    eprintln!("kill -9 of a drone: {before} processes, 0 left");
    let drone = Process::start(&plan).ready().await;
    scene.killed.extend(children_of(&scene, pid));
    scene.empty(BOUND).await;
    assert!(drone.drained().await.success());
    let (_, verdict) = scene.check("killed with children").await;
    assert_eq!((verdict.lost, verdict.unexplained), (0, 0));
}

/// The worker processes that wrote to the journal until now: they died with their drone.
fn children_of(scene: &Scene, drone: u32) -> Vec<(u32, u64)> {
    let pid = |entry: &Entry| if let Entry::Begin(run) = entry { Some(run.pid) } else { None };
    let pids = scene.entries().iter().filter_map(pid).filter(|pid| *pid != drone).collect::<Vec<_>>();
    pids.into_iter().map(|pid| (pid, scene.killed[&drone])).collect()
}
