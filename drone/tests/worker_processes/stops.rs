//! Deadlines, cancels and drains: ask, TERM, KILL.

use std::time::Duration;

use skep_drone::worker::{Stop, Verdict, Worker, process::Config};
use skep_queue::Cause;

use crate::harness::{Bench, exists, failure, task, task_within, within};

/// Says its pid, then ignores TERM and works for ever when told so; hears cancels when told so.
const STUBBORN: &str = r#"
import threading
hello(concurrency=int(sys.argv[1]))
def work(m):
    if m["payload"] == "stubborn": time.sleep(600)
    if m["payload"] == "pid": done(m, os.getpid())
for m in lines():
    if m["op"] == "stop": break
    if m["op"] == "run":
        if m["payload"] == "stubborn": signal.signal(signal.SIGTERM, signal.SIG_IGN)
        threading.Thread(target=work, args=(m,), daemon=True).start()
    if m["op"] == "cancel" and "deaf" not in sys.argv: tell(op="fail", id=m["id"], error="cancelled", retry=False)
"#;

fn config(bench: &Bench, args: &[&str]) -> Config {
    let mut config = bench.config(STUBBORN);
    config.argv.extend(args.iter().map(|&arg| arg.to_owned()));
    config
}

async fn pid(bench: &mut Bench, worker: &dyn Worker) -> i32 {
    let pid = bench.result(worker, task("\"pid\"")).await;
    i32::try_from(pid.as_i64().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ignores_term_is_killed_after_the_grace() {
    let mut bench = Bench::new();
    let worker = bench.worker(config(&bench, &["1"]));
    let first = pid(&mut bench, &worker).await;
    let clock = bench.deps().clock;
    let begin = clock.elapsed();
    let verdict = bench.run(&worker, task_within("\"stubborn\"", 200)).await;
    let took = clock.elapsed().saturating_sub(begin);
    let error = failure(verdict, Cause::TimedOut).error;
    assert_eq!(error, "timed out after 200ms");
    // The deadline, then the grace of 300 ms; the rest is for a busy machine.
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(3), "{took:?}");
    assert!(!exists(first), "the process is gone and reaped");
    assert_ne!(pid(&mut bench, &worker).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_takes_the_neighbours_along_and_says_so() {
    let mut bench = Bench::new();
    let worker = bench.worker(config(&bench, &["2"]));
    bench.start(&worker, task("\"idle\"")).await;
    bench.start(&worker, task_within("\"late\"", 200)).await;
    let (mut timed_out, mut neighbour) = (None, None);
    for _ in 0..2 {
        let ended = bench.ended().await;
        if ended.task.timeout.is_some() { timed_out = Some(ended) } else { neighbour = Some(ended) }
    }
    let late = timed_out.unwrap();
    failure(late.verdict, Cause::TimedOut);
    let error = failure(neighbour.unwrap().verdict, Cause::Exited).error;
    assert!(error.contains(&late.task.id.to_string()) && error.contains("ran out of time"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_is_asked_for_first() {
    let mut bench = Bench::new();
    let worker = bench.worker(config(&bench, &["1"]));
    let first = pid(&mut bench, &worker).await;
    for why in [Stop::Cancelled, Stop::Drained, Stop::LeaseLost] {
        bench.start(&worker, task("\"idle\"")).await.stop(why);
        let ended = bench.ended().await;
        assert_eq!((ended.verdict, ended.stop), (Verdict::Stopped, Some(why)));
    }
    assert_eq!(pid(&mut bench, &worker).await, first, "a process that hears a cancel lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_hear_a_cancel_is_ended() {
    let mut bench = Bench::new();
    let worker = bench.worker(config(&bench, &["2", "deaf"]));
    let first = pid(&mut bench, &worker).await;
    bench.start(&worker, task("\"idle\"")).await;
    let stop = bench.start(&worker, task("\"stubborn\"")).await;
    stop.stop(Stop::Cancelled);
    let verdicts = [bench.ended().await, bench.ended().await];
    let stopped = verdicts.iter().find(|ended| ended.stop.is_some()).unwrap();
    assert_eq!(stopped.verdict, Verdict::Stopped);
    let neighbour = verdicts.iter().find(|ended| ended.stop.is_none()).unwrap();
    let error = failure(neighbour.verdict.clone(), Cause::Exited).error;
    assert!(error.contains("would not stop"), "{error}");
    assert!(!exists(first));
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_hung_and_a_beat_is_not() {
    let mut bench = Bench::new();
    let body = r#"
hello()
for m in runs():
    if m["payload"] == "silent": time.sleep(600)
    for _ in range(8): time.sleep(0.1); tell(op="beat", id=m["id"])
    done(m)
"#;
    let hung_timeout = Some(Duration::from_millis(500));
    let worker = bench.worker(Config { hung_timeout, ..bench.config(body) });
    assert_eq!(bench.run(&worker, task("\"beats\"")).await, Verdict::done());
    let error = failure(bench.run(&worker, task("\"silent\"")).await, Cause::TimedOut).error;
    assert!(error.contains("no sign of life") && error.contains("500ms"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_lets_processes_finish_and_ends_those_that_do_not() {
    let mut bench = Bench::new();
    let body = r#"
hello()
for m in runs(): done(m, os.getpid())
open(sys.argv[0] + ".left", "w")
"#;
    let config = bench.config(body);
    let left = format!("{}.left", config.argv[1]);
    let polite = bench.worker(config);
    let first = pid_of(bench.result(&polite, task("{}")).await);
    within("stop", polite.stop()).await;
    assert!(!exists(first) && std::path::Path::new(&left).exists(), "it left by itself");

    let worker = bench.worker(bench.config(
        r#"
signal.signal(signal.SIGTERM, signal.SIG_IGN)
hello()
for m in runs(): done(m, os.getpid())
time.sleep(600)
"#,
    ));
    let second = pid_of(bench.result(&worker, task("{}")).await);
    within("stop", worker.stop()).await;
    assert!(!exists(second));
    within("a second stop", worker.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_done_past_its_deadline_is_done() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(
        r#"
hello()
for m in runs():
    signal.signal(signal.SIGTERM, lambda *_: (done(m, "late"), os._exit(0)))
    time.sleep(600)
"#,
    ));
    assert_eq!(bench.result(&worker, task_within("{}", 300)).await, "late");
}

fn pid_of(value: serde_json::Value) -> i32 {
    i32::try_from(value.as_i64().unwrap()).unwrap()
}
