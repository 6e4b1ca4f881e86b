//! One process per task.

use std::time::Duration;

use serde_json::json;
use skep_drone::worker::{ExecWorker, Launch, Retry, Stop, Verdict, Worker, exec::Config};
use skep_queue::Cause;

use crate::harness::{Bench, alive, eventually, exists, failure, task, task_within, within};

fn worker(bench: &Bench, script: &str) -> ExecWorker {
    let argv = ["bash", "-c", script].map(str::to_owned).to_vec();
    let config = Config { argv, processes: 2, kill_after: Duration::from_millis(300) };
    ExecWorker::new(config, Launch::default(), "bench", bench.deps())
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_say_how_it_ended() {
    let mut bench = Bench::new();
    // The payload is the code.
    let worker = worker(&bench, "read -r code; echo noise; echo the reason >&2; exit $code");
    assert_eq!(bench.run(&worker, task("0\n")).await, Verdict::done());
    let table = [("75\n", Retry::Policy), ("65\n", Retry::Never), ("1\n", Retry::Policy)];
    for (code, again) in table {
        let verdict = bench.run(&worker, task(code)).await;
        assert!(matches!(verdict, Verdict::Failed { retry, .. } if retry == again), "{code}: {verdict:?}");
        let failure = failure(verdict, Cause::Failed);
        let status = format!("exit status {}", code.trim());
        assert!(failure.error.contains(&status) && failure.error.contains("the reason"), "{failure:?}");
        assert_eq!(failure.trace.as_deref(), Some("the reason"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_is_told_in_words() {
    let mut bench = Bench::new();
    let worker = worker(&bench, "kill -SEGV $$");
    let error = failure(bench.run(&worker, task("{}")).await, Cause::Exited).error;
    assert!(error.contains("killed by signal 11 (SIGSEGV)"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stdout_is_the_result_if_all_of_it_is_json() {
    let mut bench = Bench::new();
    let echo = worker(&bench, "cat");
    let payload = json!({"a": "x".repeat(200_000), "b": [1, null]});
    assert_eq!(bench.result(&echo, task(payload.to_string())).await, payload);
    assert_eq!(bench.run(&echo, task("1 2")).await, Verdict::done());
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    let error = failure(bench.run(&echo, task(large)).await, Cause::Protocol).error;
    assert!(error.contains("1048576") && error.contains("stderr"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_task_is_in_the_environment_and_the_payload_is_not() {
    let mut bench = Bench::new();
    let script = r#"cat >/dev/null; echo "\"$SKEP_TASK_ID $SKEP_TASK_TYPE $SKEP_ATTEMPT $SKEP_OF $SKEP_FENCE $(tr -c a-z x < /proc/$$/cmdline | grep -c canary) $(env | grep -c canary)\"""#;
    let worker = worker(&bench, script);
    let task = task("\"canary\"");
    let expected = format!("{} hello 2 5 7 1 0", task.id);
    let seen = bench.result(&worker, task).await;
    // The one is the script itself, which names it.
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ladder_is_the_same() {
    let mut bench = Bench::new();
    let pid_file = bench.path("pid");
    let script = format!("echo $$ > {}; trap '' TERM; while :; do sleep 600; done", pid_file.display());
    let worker = worker(&bench, &script);
    let error = failure(bench.run(&worker, task_within("{}", 300)).await, Cause::TimedOut).error;
    assert_eq!(error, "timed out after 300ms");
    assert!(!exists(bench.read_pid("pid").unwrap()));

    std::fs::remove_file(&pid_file).unwrap();
    let stop = bench.start(&worker, task("{}")).await;
    eventually("the script's begin", || bench.read_pid("pid").is_some()).await;
    stop.stop(Stop::Drained);
    assert_eq!(bench.ended().await.verdict, Verdict::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_nobody_reads_and_a_grandchild_that_stays_hold_nothing_up() {
    let mut bench = Bench::new();
    let script = format!("sleep 600 & echo $! > {}; exit 0", bench.path("grandchild").display());
    let worker = worker(&bench, &script);
    let payload = json!("x".repeat(10 << 20)).to_string();
    assert_eq!(bench.run(&worker, task(payload)).await, Verdict::done());
    let grandchild = bench.read_pid("grandchild").unwrap();
    eventually("the grandchild's end", || !alive(grandchild)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_program_it_starts_nothing_and_says_why() {
    let mut bench = Bench::new();
    let file = bench.path("tool");
    let config = Config { argv: vec![file.display().to_string()], ..Config::default() };
    let worker = ExecWorker::new(config, Launch::default(), "bench", bench.deps());
    assert_eq!(bench.run(&worker, task("{}")).await, Verdict::NotStarted);
    assert!(worker.degraded().unwrap().contains("tool"), "{:?}", worker.degraded());
    std::fs::write(&file, "#!/bin/sh\necho 1\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(bench.result(&worker, task("{}")).await, 1);
    assert_eq!((worker.degraded(), worker.hands()), (None, 1));
    within("stop", worker.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_processes_leave_nothing_open() {
    let mut bench = Bench::new();
    let worker = worker(&bench, "exec true");
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    let clock = bench.deps().clock;
    let begin = clock.elapsed();
    for _ in 0..300 {
        assert_eq!(bench.run(&worker, task("{}")).await, Verdict::done());
    }
    let took = clock.elapsed().saturating_sub(begin);
    println!("exec, one after another: {:.0} processes/s", 300.0 / took.as_secs_f64());
    // Other tests of this binary open files meanwhile; three hundred leaks would show.
    assert!(open() < before + 150, "{} descriptors, {before} before", open());
}
