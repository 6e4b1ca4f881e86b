//! Many tasks through one drone: what it holds of the machine does not grow.

use std::{fs, time::Duration};

use skep_tests::plan::{Job, Plan};

use super::{
    process::Process,
    scene::Scene,
    wait::{BOUND, eventually, short_or_long},
};

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Holds {
    files: usize,
    threads: u64,
    memory_kib: u64,
}

impl Holds {
    fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        Self { files, threads: number("Threads:"), memory_kib: number("VmRSS:") }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_does_not_grow() {
    let tasks = short_or_long(20_000, 200_000);
    let mut scene = Scene::new().await;
    scene.submit("work", vec![Job::default(); tasks]).await;
    let plan = Plan { hands: 32, children: 2, ..scene.plan("soaked") };
    scene.submit("child", vec![Job::default(); tasks / 20]).await;
    let all = scene.depth().await;
    let drone = Process::start(&plan).ready().await;
    let mut held = Vec::new();
    for quarter in 1..=4 {
        let reached = || async { (scene.depth().await <= all - all * quarter / 4).then_some(()) };
        eventually("another quarter is done", Duration::from_secs(600), reached).await;
        held.push(Holds::of(drone.pid()));
    }
    eprintln!("soak: {all} tasks, at each quarter {held:?}");
    let (early, late) = (held[0], held[3]);
    assert!(late.files <= early.files + 4 && late.threads <= early.threads + 4, "{held:?}");
    assert!(late.memory_kib <= early.memory_kib + early.memory_kib / 4 + 8 * 1024, "{held:?}");
    assert!(drone.drained().await.success());
    scene.empty(BOUND).await;
    let (_, verdict) = scene.check("soak").await;
    assert_eq!((verdict.lost, verdict.again), (0, 0));
}
