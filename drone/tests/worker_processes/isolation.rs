//! What a process sees of the drone, and what it may do.

use std::{os::fd::AsRawFd, time::Duration};

use skep_drone::worker::{Launch, Limits, ProcessWorker, process::Config};

use crate::harness::{Bench, task};

const REPORT: &str = r#"
import resource
hello()
def status(name):
    return [l.split(":")[1].strip() for l in open("/proc/self/status") if l.startswith(name + ":")][0]
for m in runs():
    done(m, {
        "env": dict(os.environ), "cwd": os.getcwd(), "uid": os.getuid(), "gid": os.getgid(),
        "groups": status("Groups"), "no_new_privileges": status("NoNewPrivs"),
        "fds": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
        "sid": os.getsid(0), "pgid": os.getpgid(0), "pid": os.getpid(), "umask": status("Umask"),
        "core": resource.getrlimit(resource.RLIMIT_CORE), "as": resource.getrlimit(resource.RLIMIT_AS),
        "cpu": resource.getrlimit(resource.RLIMIT_CPU), "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
        "fsize": resource.getrlimit(resource.RLIMIT_FSIZE), "oom": open("/proc/self/oom_score_adj").read().strip(),
    })
"#;

async fn report(launch: Launch) -> serde_json::Value {
    let mut bench = Bench::new();
    let mut config = bench.config(REPORT);
    let script = std::fs::read_to_string(&config.argv[1]).unwrap();
    // The folder of the bench is the drone's alone: another user could not read a script in it.
    config.argv = vec![config.argv[0].clone(), "-c".into(), script];
    let worker = ProcessWorker::new(config, launch, "reporter", bench.deps());
    bench.result(&worker, task("{}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_an_allow_list() {
    // Set for the whole process, through a child of its own: changing it here would race with other tests.
    const INNER: &str = "isolation::environment_of_a_drone_with_secrets";
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", INNER, "--ignored", "--nocapture"]);
    command.env("SKEP_BACKEND", "postgres://u:canary@db/app").env("SECRET_TOKEN", "canary");
    command.env("LC_TIME", "C").env("TZ", "Europe/Vienna");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the_environment_is_an_allow_list"]
async fn environment_of_a_drone_with_secrets() {
    let mut launch = Launch::default();
    launch.env.insert("LANG".into(), "C.UTF-8".into());
    let seen = report(launch).await;
    assert!(std::env::var("SKEP_BACKEND").is_ok(), "this test runs in a process of its own");
    let text = seen["env"].to_string();
    assert!(!text.contains("canary") && !text.contains("SKEP_BACKEND"), "{text}");
    let env = &seen["env"];
    for (name, value) in [("LANG", "C.UTF-8"), ("LC_TIME", "C"), ("TZ", "Europe/Vienna"), ("SKEP_WIRE", "1")]
    {
        assert_eq!(env[name], value);
    }
    assert_eq!((&env["SKEP_WORKER"], &env["SKEP_DRONE"]), (&"reporter".into(), &"the-bench".into()));
    assert!(env["PATH"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_inherited_descriptor_reaches_it() {
    let file = tempfile::tempfile().unwrap();
    // What a careless parent leaves open across exec.
    let leaky = rustix::io::dup(&file).unwrap();
    assert!(!rustix::io::fcntl_getfd(&leaky).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    let seen = report(Launch::default()).await;
    let fds: Vec<i64> =
        seen["fds"].as_array().unwrap().iter().filter_map(serde_json::Value::as_i64).collect();
    assert!(!fds.contains(&i64::from(leaky.as_raw_fd())), "{fds:?}");
    // 4 is the listing itself.
    assert!(fds.iter().all(|&fd| fd <= 4) && fds.contains(&3), "{fds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_leads_its_own_session_and_group() {
    let seen = report(Launch::default()).await;
    assert!(seen["sid"] == seen["pid"] && seen["pgid"] == seen["pid"], "{seen}");
    assert_eq!((&seen["umask"], &seen["oom"]), (&"0077".into(), &"500".into()));
    assert_eq!((&seen["core"][1], &seen["no_new_privileges"]), (&0.into(), &"0".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kernel_holds_what_the_launch_says() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        memory: Some(4 << 30),
        cpu: Some(Duration::from_millis(59_500)),
        files: Some(64),
        file_size: Some(1 << 20),
    };
    let cwd = Some(folder.path().canonicalize().unwrap());
    let launch = Launch { cwd: cwd.clone(), limits, no_new_privileges: true, ..Launch::default() };
    let seen = report(launch).await;
    assert_eq!(seen["cwd"].as_str().map(Into::into), cwd);
    assert_eq!(seen["no_new_privileges"], "1");
    let bounds = [("as", 4u64 << 30), ("cpu", 60), ("nofile", 64), ("fsize", 1 << 20)];
    for (name, bound) in bounds {
        assert_eq!(seen[name], serde_json::json!([bound, bound]), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn root_can_run_it_as_somebody_else() {
    if !rustix::process::getuid().is_root() {
        crate::harness::skipped("`user` of a worker: only root can become another user");
        return;
    }
    let mut bench = Bench::new();
    // Another user needs an interpreter that it may read: not one below root's home.
    let launch = Launch { user: Some("nobody".into()), cwd: Some("/".into()), ..Launch::default() };
    let script = r#"
echo '{"op":"hello","proto":1}' >&3
read -r line
id=${line#*\"id\":\"}; id=${id%%\"*}
echo "{\"op\":\"done\",\"id\":\"$id\",\"result\":\"$(id -u) $(id -G) $HOME\"}" >&3"#;
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    let config = Config { argv, ..Config::default() };
    let worker = ProcessWorker::new(config, launch, "bench", bench.deps());
    let seen = bench.result(&worker, task("{}")).await;
    let seen: Vec<_> = seen.as_str().unwrap().split(' ').map(str::to_owned).collect();
    assert_eq!((&*seen[0], seen.len()), ("65534", 3), "no other groups than its own: {seen:?}");
    assert_ne!(seen[2], "/root");
}
