//! A pool at its work.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use serde_json::json;
use skep_drone::worker::{FollowUp, Headway, Retry, Run, StopSignal, Task, Verdict, Worker, process::Config};
use skep_queue::{Cause, Content};

use crate::harness::{Bench, eventually, failure, task};

const ECHO: &str = r#"
hello()
for m in runs(): done(m, m)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_goes_in_and_its_result_comes_out() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(ECHO));
    let mut task = task("{\"name\":\n\"Ada\"}");
    task.timeout = Some(Duration::from_secs(30));
    task.meta.insert("trace".into(), "abc".into());
    let id = task.id;
    let seen = bench.result(&worker, task).await;
    let sent = json!({
        "op": "run", "id": id, "task": "hello", "payload": {"name": "Ada"}, "attempt": 2, "of": 5, "fence": 7,
        "timeout": 30.0, "meta": {"trace": "abc"},
    });
    assert_eq!(seen, sent);
    assert_eq!((worker.hands(), worker.in_process(), worker.degraded()), (1, false, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_travel_as_base64() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(ECHO));
    let bytes = Task { content: Content::Bytes, ..task(Bytes::from_static(b"\0\xff")) };
    let seen = bench.result(&worker, bytes).await;
    assert_eq!((&seen["payload_base64"], seen.get("payload")), (&json!("AP8="), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_heard_of_tasks_that_run() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(
        r#"
hello()
for m in runs():
    tell(op="progress", id=m["id"], n=1, of=2, note="half")
    tell(op="progress", id="00000000-0000-4000-8000-000000000001", n=2)
    tell(op="progress", id=m["id"], data={"rows": [1]})
    done(m)
    tell(op="progress", id=m["id"], n=2)
"#,
    ));
    let task = task("1");
    let id = task.id;
    assert_eq!(bench.run(&worker, task).await, Verdict::done());
    let part = Headway::default().data(&json!({"rows": [1]})).unwrap();
    let told = bench.headways();
    assert_eq!(told[0], (id, Headway::at(1, 2).note("half")));
    let data = |(_, headway): &(_, Headway)| -> Option<serde_json::Value> {
        headway.data.as_ref().map(|data| serde_json::from_slice(data).unwrap())
    };
    assert_eq!((told.len(), told[1].0, data(&told[1])), (2, id, data(&(id, part))));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_becomes_its_verdict() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(
        r#"
hello()
for m in runs():
    tell(op="beat", id=m["id"])
    tell(op="progress", id=m["id"], n=1, of=2)
    tell(**{**m["payload"], "id": m["id"]})
"#,
    ));
    let follow = FollowUp { task_type: "mail".parse().unwrap(), payload: "[1]".into(), local: true };
    let answers = [
        (json!({"op": "done"}), Verdict::done()),
        (
            json!({"op": "done", "result": 1, "submit": [{"task": "mail", "payload": [1], "local": true}]}),
            Verdict::Done { result: Some("1".into()), submit: vec![follow] },
        ),
        (json!({"op": "snooze", "for": "5m"}), Verdict::Snooze(Duration::from_secs(300))),
        (json!({"op": "fail", "error": "e", "retry": false}), Verdict::hopeless(Cause::Failed, "e")),
        (json!({"op": "fail", "error": "e"}), Verdict::failed(Cause::Failed, "e")),
    ];
    for (answer, verdict) in answers {
        assert_eq!(bench.run(&worker, task(answer.to_string())).await, verdict);
    }
    let later = json!({"op": "fail", "error": "e", "kind": "K", "trace": "t", "retry": "30s"});
    let verdict = bench.run(&worker, task(later.to_string())).await;
    assert!(matches!(verdict, Verdict::Failed { retry: Retry::After(after), .. } if after.as_secs() == 30));
    let failure = failure(verdict, Cause::Failed);
    assert_eq!((failure.kind.as_deref(), failure.trace.as_deref()), (Some("K"), Some("t")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tasks_over_four_processes() {
    assert_eq!(many(1000, 4).await.0, 4);
}

/// `cargo test -p skep-drone --release figures -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures, proves nothing"]
async fn figures() {
    for processes in [1, 2, 4, 8] {
        let (_, took) = many(20_000, processes).await;
        println!("{processes} Python processes: {:.0} round trips/s", 20_000.0 / took.as_secs_f64());
    }
}

/// Runs so many tasks over so many processes: how many took part, and how long it took.
async fn many(tasks: usize, processes: usize) -> (usize, Duration) {
    let mut bench = Bench::new();
    let body = "hello()\nfor m in runs(): done(m, os.getpid())";
    let worker = bench.worker(Config { processes, ..bench.config(body) });
    let hands = async {
        while worker.ready().await < processes {
            tokio::task::yield_now().await
        }
    };
    crate::harness::within("all hands", hands).await;
    let clock = bench.deps().clock;
    let begin = clock.elapsed();
    let (mut pids, mut ids) = (HashSet::new(), HashSet::new());
    let (mut started, mut ended) = (0, 0);
    while ended < tasks {
        tokio::select! {
            biased;
            one = bench.ended() => {
                ended += 1;
                let Verdict::Done { result: Some(pid), .. } = one.verdict else { panic!("{one:?}") };
                pids.insert(pid);
                assert!(ids.insert(one.task.id), "two verdicts for one task");
            }
            _ = worker.ready(), if started < tasks => {
                bench.start(&worker, task("{}")).await;
                started += 1;
            }
        }
    }
    assert_eq!(started, tasks);
    (pids.len(), clock.elapsed().saturating_sub(begin))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_offers_hands_gets_as_many_tasks() {
    let mut bench = Bench::new();
    // Answers only once four are in its hands, in reverse.
    let worker = bench.worker(bench.config(
        r#"
hello(concurrency=4)
held = []
for m in runs():
    held.append(m)
    if len(held) == 4:
        while held: done(held.pop())
"#,
    ));
    for _ in 0..4 {
        bench.start(&worker, task("{}")).await;
    }
    assert_eq!(worker.hands(), 4);
    for _ in 0..4 {
        assert_eq!(bench.ended().await.verdict, Verdict::done());
    }
    let capped =
        bench.worker(Config { concurrency: 2, ..bench.config("hello(concurrency=100)\nlist(lines())") });
    assert_eq!(crate::harness::within("hands", capped.ready()).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_come_first_as_setup() {
    let mut bench = Bench::new();
    let mut config = bench.config("setup = next(lines())\nhello()\nfor m in runs(): done(m, setup)");
    config.options.insert("quality".into(), 3.into());
    let worker = bench.worker(config);
    let seen = bench.result(&worker, task("{}")).await;
    assert_eq!(seen, json!({"op": "setup", "options": {"quality": 3}}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_replaced_after_its_tasks() {
    let mut bench = Bench::new();
    let config = bench.config("hello()\nfor m in runs(): done(m, os.getpid())");
    let worker = bench.worker(Config { max_tasks: Some(2), ..config });
    let mut pids = Vec::new();
    for _ in 0..6 {
        pids.push(bench.result(&worker, task("{}")).await);
    }
    assert!(pids[0] == pids[1] && pids[1] != pids[2] && pids[2] == pids[3] && pids[3] != pids[4], "{pids:?}");
    assert_eq!(worker.degraded(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_beyond_the_free_hands_come_back_unstarted() {
    struct First(std::sync::Mutex<Vec<Verdict>>);
    impl skep_drone::worker::Sink for First {
        fn finish(&self, _: &Task, _: Option<skep_drone::worker::Stop>, verdict: Verdict) {
            self.0.lock().unwrap().push(verdict);
        }
    }
    let bench = Bench::new();
    let worker = bench.worker(bench.config("hello()\nlist(lines())"));
    crate::harness::within("a hand", worker.ready()).await;
    let sink = std::sync::Arc::new(First(std::sync::Mutex::default()));
    let run = || Run::new(task("{}"), StopSignal::default(), sink.clone());
    worker.start(vec![run(), run()]);
    eventually("a verdict", || *sink.0.lock().unwrap() == [Verdict::NotStarted]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_hopeless_and_frees_the_hand() {
    let mut bench = Bench::new();
    let worker = bench.worker(bench.config(ECHO));
    let verdict = bench.run(&worker, task("{")).await;
    assert!(matches!(verdict, Verdict::Failed { retry: Retry::Never, .. }), "{verdict:?}");
    bench.result(&worker, task("{}")).await;
}
