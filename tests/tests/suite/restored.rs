//! An older state of the local file, as a power cut or a backup leaves it: what was settled since is not run again,
//! since the drone asks what is left of its claims before it starts any of them.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use skep_queue::TaskId;
use skep_tests::{
    journal::Entry,
    plan::{Job, Plan},
};

use super::{
    process::Process,
    scene::Scene,
    wait::{BOUND, eventually},
};

const TASKS: usize = 60;

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

async fn done(scene: &Scene, tasks: usize) {
    let look = || async { (scene.depth().await <= (TASKS - tasks) as u64).then_some(()) };
    eventually("some are done", BOUND, look).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_old_local_file_still_holds_is_not_run_again() {
    let mut scene = Scene::new().await;
    // One by one, so that each is settled as soon as it is done; and all of them in one claim.
    for _ in 0..TASKS {
        scene.submit("work", [Job { millis: 30, ..Job::default() }]).await;
    }
    let plan = Plan { hands: 4, ..scene.plan("victim") };
    let drone = Process::start(&plan).ready().await;
    done(&scene, 10).await;
    drone.freeze(&scene.url).await;
    let old =
        ["", "-wal"].map(|suffix| beside(&plan.local, suffix)).map(|file| (fs::read(&file).unwrap(), file));
    drone.signal(Signal::CONT);
    done(&scene, 35).await;
    let pid = drone.kill();
    scene.killed(pid);
    // What it says of the log is not true of the old one.
    fs::remove_file(beside(&plan.local, "-shm")).ok();
    for (bytes, file) in old {
        fs::write(file, bytes).unwrap();
    }
    let settled: HashSet<TaskId> = scene.entries().iter().filter_map(settled).collect();
    let drone = Process::start(&plan).ready().await;
    scene.empty(BOUND).await;
    let log = drone.log();
    assert!(log.contains("had been settled before"), "{log}");
    assert!(drone.drained().await.success());
    let mut history = scene.history().await;
    // What ran at the kill is not on file as begun: as after a power cut it is run again, and nothing else is.
    history.cuts = history.killed.values().copied().collect();
    let again =
        |entry: &&Entry| matches!(entry, Entry::Begin(run) if run.pid != pid && settled.contains(&run.task));
    assert_eq!(history.entries.iter().filter(again).count(), 0, "settled, and run again");
    let verdict = history.check();
    eprintln!("restored: settled before {}, {verdict}", settled.len());
    assert!(settled.len() >= 30 && verdict.broken.is_empty() && verdict.lost == 0, "{verdict}");
}

fn settled(entry: &Entry) -> Option<TaskId> {
    match entry {
        Entry::Settled(settled) => Some(settled.task),
        _ => None,
    }
}
