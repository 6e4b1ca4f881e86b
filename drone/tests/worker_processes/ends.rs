//! Processes that end before their time, or never begin.

use std::time::Duration;

use skep_drone::worker::{Launch, ProcessWorker, Verdict, Worker, process::Config};
use skep_queue::Cause;

use crate::harness::{Bench, alive, eventually, failure, task};

#[tokio::test(flavor = "multi_thread")]
async fn exits_at_once_is_degraded_until_one_says_hello() {
    let mut bench = Bench::new();
    let flag = bench.path("mended");
    let worker = bench.worker(bench.config(&format!(
        r#"
if not os.path.exists("{}"): print("a module is missing", file=sys.stderr); sys.exit(3)
hello()
for m in runs(): done(m, 1)
"#,
        flag.display()
    )));
    eventually("degraded", || worker.degraded().is_some()).await;
    let why = worker.degraded().unwrap();
    for part in ["python", "exit status 3", "before it said hello", "a module is missing", "next try in"] {
        assert!(why.contains(part), "{part:?} is not in {why:?}");
    }
    std::fs::write(flag, "").unwrap();
    assert_eq!(bench.result(&worker, task("{}")).await, 1);
    assert_eq!(worker.degraded(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_says_hello_is_ended() {
    let bench = Bench::new();
    let body = "print(os.getpid(), file=open(sys.argv[1], 'w'), flush=True)\ntime.sleep(600)";
    let mut config = Config { start_timeout: Duration::from_millis(500), ..bench.config(body) };
    config.argv.push(bench.path("pid").display().to_string());
    let worker = bench.worker(config);
    eventually("degraded", || worker.degraded().is_some()).await;
    assert!(worker.degraded().unwrap().contains("no hello within 500ms"), "{:?}", worker.degraded());
    let first = bench.read_pid("pid");
    eventually("its end", || first.is_none_or(|pid| !alive(pid)) || bench.read_pid("pid") != first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_program_is_named_with_where_it_was_looked_for() {
    let bench = Bench::new();
    let mut launch = Launch::default();
    launch.env.insert("PATH".into(), "/nowhere:/bin".into());
    let config = Config { argv: vec!["no-such-worker".into()], ..Config::default() };
    let worker = ProcessWorker::new(config, launch, "bench", bench.deps());
    worker.begin();
    eventually("degraded", || worker.degraded().is_some()).await;
    let why = worker.degraded().unwrap();
    assert!(why.contains("no-such-worker") && why.contains("/nowhere:/bin"), "{why}");
    crate::harness::within("stop", worker.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_with_work_in_flight_is_told_in_words() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(
        r#"
hello()
for m in runs():
    if m["payload"] == "exit": print("last words", file=sys.stderr); sys.exit(3)
    if m["payload"] == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if m["payload"] == "done": done(m, 1); os._exit(4)
"#,
    ));
    let exited = failure(bench.run(&worker, task("\"exit\"")).await, Cause::Exited);
    assert!(exited.error.contains("exit status 3"), "{}", exited.error);
    assert_eq!(exited.trace.as_deref(), Some("last words"));
    let killed = failure(bench.run(&worker, task("\"kill\"")).await, Cause::Exited);
    assert!(killed.error.contains("killed by signal 9 (SIGKILL)"), "{}", killed.error);
    // What it said before it ended counts.
    assert_eq!(bench.result(&worker, task("\"done\"")).await, 1);
    assert_eq!(worker.degraded(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_forks_and_leaves_takes_the_group_with_it() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(
        r#"
hello()
for m in runs():
    child = subprocess.Popen(["sleep", "600"], close_fds=False, pass_fds=(3,))
    open(m["payload"], "w").write(str(child.pid))
    os._exit(0)
"#,
    ));
    let payload = serde_json::json!(bench.path("grandchild")).to_string();
    let error = failure(bench.run(&worker, task(payload)).await, Cause::Exited).error;
    assert!(error.contains("exit status 0"), "{error}");
    let grandchild = bench.read_pid("grandchild").unwrap();
    eventually("the grandchild's end", || !alive(grandchild)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_closes_fd_3_is_replaced() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(
        r#"
hello()
for m in runs():
    if m["payload"] == "close": out.close(); time.sleep(600)
    done(m, 1)
"#,
    ));
    let error = failure(bench.run(&worker, task("\"close\"")).await, Cause::Exited).error;
    assert!(error.contains("SIGTERM"), "{error}");
    assert_eq!(bench.result(&worker, task("{}")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_dropped_takes_its_processes_along() {
    let bench = Bench::new();
    let file = bench.path("pid");
    let body = format!("open('{}', 'w').write(str(os.getpid()))\nhello()\nlist(lines())", file.display());
    let worker = bench.worker(bench.config(&body));
    crate::harness::within("a hand", worker.ready()).await;
    let stop = bench.start(&worker, task("{}")).await;
    drop(worker);
    stop.stop(skep_drone::worker::Stop::Drained);
    let mut bench = bench;
    let ended = bench.ended().await;
    assert!(matches!(ended.verdict, Verdict::Stopped | Verdict::Failed { .. }), "{ended:?}");
    let pid = bench.read_pid("pid").unwrap();
    eventually("its end", || !alive(pid)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_and_an_exit_at_once_are_no_free_hand() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(
        r#"
hello()
if not os.path.exists(sys.argv[0] + ".second"):
    open(sys.argv[0] + ".second", "w"); os._exit(5)
for m in runs(): done(m, 1)
"#,
    ));
    // A run handed to the first, if it is quick enough, never began: it may be tried again at once.
    let mut verdict = bench.run(&worker, task("{}")).await;
    for _ in 0..100 {
        if !matches!(verdict, Verdict::NotStarted | Verdict::Failed { .. }) {
            break;
        }
        verdict = bench.run(&worker, task("{}")).await;
    }
    assert!(matches!(verdict, Verdict::Done { .. }), "{verdict:?}");
}
