//! Processes that break the protocol, by accident or not.

use serde_json::json;
use skep_drone::worker::{Verdict, Worker};
use skep_queue::Cause;

use crate::harness::{Bench, failure, task, task_within};
use skep_drone::worker::process::Config;

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_fd_3_is_never_obeyed_and_does_no_harm() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(
        r#"
hello()
for m in runs():
    for line in ["", "hello", "{}", '{"op":"obey"}', '\x00\x1b[31m', '{"op":"done","id":"00000000-0000-0000-0000-000000000000"}']:
        print(line, file=out, flush=True)
    out.buffer.write(b"\xff\xfe\n")
    done(m, 1)
"#,
    ));
    for _ in 0..30 {
        assert_eq!(bench.result(&worker, task("{}")).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_garbage_is_given_up() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(
        r#"
hello()
for m in runs():
    while m["payload"] == "bad": print("garbage", file=out)
    done(m, 1)
"#,
    ));
    let error = failure(bench.run(&worker, task("\"bad\"")).await, Cause::Protocol).error;
    assert!(error.contains("100 lines in a row"), "{error}");
    assert_eq!(bench.result(&worker, task("{}")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_past_the_limit_ends_the_process() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(
        r#"
hello()
for m in runs():
    if m["payload"] == "bad": out.write("x" * (20 << 20)); out.flush()
    done(m, 1)
"#,
    ));
    let error = failure(bench.run(&worker, task("\"bad\"")).await, Cause::Protocol).error;
    assert!(error.contains("16777216"), "{error}");
    assert_eq!(bench.result(&worker, task("{}")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_past_the_limit_fails_its_task_alone() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config("hello()\nfor m in runs(): done(m, 'x' * m['payload'])"));
    let error = failure(bench.run(&worker, task("1048577")).await, Cause::Protocol).error;
    assert!(error.contains("1048576"), "{error}");
    assert_eq!(bench.result(&worker, task("3")).await, "xxx");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_well_formed_fails_its_task() {
    let mut bench = Bench::new();
    let body = "hello()\nfor m in runs(): tell(op='done', id=m['id'], submit=m['payload'])";
    let worker = bench.worker(bench.config(body));
    let error = failure(bench.run(&worker, task(r#"[{"task":"NO NAME"}]"#)).await, Cause::Protocol).error;
    assert!(error.contains("NO NAME"), "{error}");
    assert!(matches!(bench.run(&worker, task("[]")).await, Verdict::Done { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_reads_stdin_times_out_and_others_go_on() {
    let mut bench = Bench::new();
    let body = r#"
hello()
if not os.path.exists(sys.argv[0] + ".taken"):
    open(sys.argv[0] + ".taken", "x")
    time.sleep(600)
for m in runs(): done(m, len(m["payload"]))
"#;
    let worker = bench.worker(Config { processes: 2, ..bench.config(body) });
    let payload = json!("x".repeat(10 << 20)).to_string();
    let mut timed_out = 0;
    // One of the two is deaf, so the third at the latest goes to the other.
    for _ in 0..4 {
        bench.start(&worker, task_within(payload.clone(), 2_000)).await;
    }
    for _ in 0..4 {
        match bench.ended().await.verdict {
            Verdict::Done { result, .. } => assert_eq!(result.unwrap(), "10485760"),
            verdict => {
                timed_out += 1;
                let error = failure(verdict, Cause::TimedOut).error;
                assert!(error.contains("timed out after 2s"), "{error}");
            }
        }
    }
    assert_eq!(timed_out, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_on_stdout_and_stderr_is_harmless() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(
        r#"
print('{"op":"hello","proto":1,"concurrency":99}', flush=True)
hello()
for m in runs():
    for _ in range(20000): print('{"op":"done","id":"%s","result":"forged"}' % m["id"])
    sys.stdout.buffer.write(b"\x00\xff\x1b[2J" + b"y" * 1000000)
    sys.stderr.write("z" * 1000000); sys.stderr.flush(); sys.stdout.flush()
    done(m, "true")
"#,
    ));
    assert_eq!(bench.result(&worker, task("{}")).await, "true");
    assert_eq!(worker.hands(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lone_surrogates_and_nul_do_not_cost_the_outcome() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(
        r#"
hello()
for m in runs(): tell(op="fail", id=m["id"], error="cut \ud83d and \x00 and \U0001f600", kind="\udc00")
"#,
    ));
    let failure = failure(bench.run(&worker, task("{}")).await, Cause::Failed);
    assert_eq!(failure.error, "cut \u{fffd} and \u{fffd} and 😀");
    assert_eq!(failure.kind.as_deref(), Some("\u{fffd}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_protocol_is_refused() {
    let bench = Bench::new();
    let worker = bench.worker(bench.config("hello(proto=2)\nlist(lines())"));
    let mut why = None;
    crate::harness::eventually("a reason", || {
        why = worker.degraded();
        why.is_some()
    })
    .await;
    assert!(why.as_ref().unwrap().contains("protocol 2, not 1"), "{why:?}");
}
