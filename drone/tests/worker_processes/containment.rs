//! Nothing outlives a drone, whatever it does and however the drone ends.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use skep_drone::worker::leftovers::{self, Keeper};

use crate::harness::{Bench, alive, eventually, exists, skipped, task};

/// Leaves one grandchild in its group and one in a session of its own, with all pipes open.
const LEAVES: &str = r#"
hello()
for m in runs():
    stays = subprocess.Popen(["sleep", "600"], close_fds=False, pass_fds=(3,))
    leaves = subprocess.Popen(["sleep", "600"], close_fds=False, pass_fds=(3,), start_new_session=True)
    open(m["payload"], "w").write(f"{os.getpid()} {stays.pid} {leaves.pid}")
    if m["attempt"] == 1: os._exit(1)
"#;

fn pids(file: &Path) -> Option<Vec<i32>> {
    let text = std::fs::read_to_string(file).ok()?;
    let pids: Vec<i32> = text.split(' ').filter_map(|pid| pid.parse().ok()).collect();
    (pids.len() == 3).then_some(pids)
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_of_a_worker_end_with_it_and_leave_no_zombie() {
    leftovers::adopt_orphans().unwrap();
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(LEAVES));
    let file = bench.path("pids");
    let payload = serde_json::json!(file).to_string();
    bench.run(&worker, skep_drone::worker::Task { attempt: 1, ..task(payload) }).await;
    for pid in pids(&file).unwrap() {
        eventually("the end of all", || !exists(pid)).await;
    }
}

/// There a session that began outside has the number 0, in which rustix does not believe.
#[test]
fn so_it_is_in_a_container_that_was_entered() {
    let unshare = |argv: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--pid", "--fork", "--mount-proc"]).args(argv).output()
    };
    if !unshare(&["true"]).is_ok_and(|output| output.status.success()) {
        return skipped("workers in a container: no PID namespace can be made here (unshare)");
    }
    let test = std::env::current_exe().unwrap();
    let name = "containment::orphans_of_a_worker_end_with_it_and_leave_no_zombie";
    let inside = unshare(&[test.to_str().unwrap(), "--exact", name]).unwrap();
    assert!(inside.status.success(), "{inside:?}");
    assert!(String::from_utf8_lossy(&inside.stdout).contains("1 passed"), "{inside:?}");
}

/// A drone in a process of its own, which is killed without notice.
fn drone(name: &str, file: &Path) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "containment::drone_that_is_killed", "--ignored"]);
    command.env("BENCH_NAME", name).env("BENCH_FILE", file);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the tests that kill it"]
async fn drone_that_is_killed() {
    let Ok(name) = std::env::var("BENCH_NAME") else { return };
    let _keeper = name.starts_with("kept").then(|| Keeper::start(&name).unwrap());
    let bench = Bench::new();
    let deps = skep_drone::worker::Deps { incarnation: name, ..bench.deps() };
    let worker = skep_drone::worker::ProcessWorker::new(
        bench.config(LEAVES),
        skep_drone::worker::Launch::default(),
        "bench",
        deps,
    );
    let file = std::env::var("BENCH_FILE").unwrap();
    bench.start(&worker, task(serde_json::json!(file).to_string())).await;
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_survives_the_kill_of_a_drone_with_a_keeper() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let mut drone = drone(&format!("kept-{}", std::process::id()), &file);
    eventually("all three", || pids(&file).is_some()).await;
    drone.kill().unwrap();
    for pid in pids(&file).unwrap() {
        eventually("the end of all", || !alive(pid)).await;
    }
    drone.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_keeper_the_next_start_sweeps() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let name = format!("swept-{}", std::process::id());
    let mut drone = drone(&name, &file);
    eventually("all three", || pids(&file).is_some()).await;
    drone.kill().unwrap();
    drone.wait().unwrap();
    let pids = pids(&file).unwrap();
    // The worker itself dies with the drone; its children are found by their mark.
    eventually("the worker's end", || !alive(pids[0])).await;
    assert!(alive(pids[1]) && alive(pids[2]));
    assert_eq!(leftovers::kill_leftovers("somebody-else"), 0);
    assert_eq!(leftovers::kill_leftovers(&name), 2);
    for pid in pids {
        eventually("the end of all", || !alive(pid)).await;
    }
}
