//! The library: what a program hears of what it queues, calls and collects.
#![expect(clippy::unwrap_used, reason = "tests")]

mod desk;
mod fixture;

use std::{
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use desk::{BOUND, Desk, drone, quiet, take};
use fixture::{
    proxy::{Faults, Proxy},
    tcp::{self, Fort},
    unbounded,
};
use serde_json::{Value, json};
use skep_manager::client::caller::{Client, Error, Options, Retry};
use skep_queue::{
    Cause, Clock, Outcome, Progress, Reason,
    admin::{Setting, State},
    block::{OnConflict, OnLost},
    clock::{SystemClock, SystemRandom},
    testing::{
        Bench,
        bench::{Handed, discard},
    },
};
use tokio_util::task::TaskTracker;

const SOON: Duration = Duration::from_millis(50);

async fn connect(manager: &Path) -> Client {
    Client::connect(&format!("unix:{}", manager.display())).await.unwrap()
}

fn result(json: &Value) -> Outcome {
    Outcome::Complete { result: Some(Bytes::from(json.to_string())), submit: Vec::new() }
}

/// A manager, a client of it, and the queue behind it.
async fn place() -> (Desk, Client, Bench) {
    let desk = Desk::new();
    let manager = desk.lively(quiet());
    let (client, bench) = (connect(&manager).await, desk.bench(&manager));
    (desk, client, bench)
}

#[tokio::test]
async fn what_is_queued_arrives_with_all_it_was_given() {
    let (_desk, client, bench) = place().await;
    let queued = client.queue("a", &json!({"n": 1})).queue("q").priority("high").delay(BOUND);
    let id = queued.max_attempts(3).unique("k", OnConflict::Reject).meta("trace", "x").await.unwrap();
    let kept = bench.backend.task(id).await.unwrap().unwrap();
    assert_eq!(kept.payload, r#"{"n":1}"#);
    assert_eq!((kept.view.queue.as_str(), kept.view.priority.number()), ("q", 2));
    assert_eq!((kept.view.state, kept.view.max_attempts), (State::Scheduled, Some(3)));
    let again = |on_conflict| client.queue("a", &2).queue("q").priority(2).unique("k", on_conflict);
    assert_eq!(again(OnConflict::Reject).await, Err(Error::Conflict { holder: id }));
    assert_eq!(again(OnConflict::Skip).await, Ok(id), "who stands for it");
    for (wrong, said) in [
        (client.queue("No Name", &1), "is not a name"),
        (client.queue("a", &1).priority("urgent"), "is not a priority"),
        (client.queue("a", &1).queue("No"), "is not a name"),
    ] {
        let Err(Error::Invalid(why)) = wrong.await else { panic!("it is no task") };
        assert!(why.contains(said), "{why}");
    }
    assert!(client.ping().await.unwrap() < BOUND);
    assert_eq!(client.status().await.unwrap().queues.len(), 1);
}

#[tokio::test]
async fn a_call_answers_with_the_result_or_says_why_not() {
    let (_desk, client, bench) = place().await;
    let drone = drone(&bench, 1).await;
    let work = async |outcome: Outcome| {
        let task = take(&drone).await;
        assert_eq!(task.options.on_lost, OnLost::Fail, "the caller is told, nothing is silently run twice");
        drone.end(&task, outcome).await;
        task.id
    };
    let (sum, _) = tokio::join!(client.call::<u32>("a", &[1, 2], BOUND), work(result(&json!(3))));
    assert_eq!(sum, Ok(3));
    let (none, _) = tokio::join!(client.call::<()>("a", &1, BOUND), work(Outcome::done()));
    assert_eq!(none, Ok(()));
    let (odd, id) = tokio::join!(client.call::<u32>("a", &1, BOUND), work(result(&json!("three"))));
    assert!(matches!(odd, Err(Error::Result { id: of, .. }) if of == id), "{odd:?}");
    let (failed, id) = tokio::join!(client.call::<u32>("a", &1, BOUND), work(discard()));
    let cause = Some(Cause::Failed);
    assert_eq!(failed, Err(Error::Failed { id, state: State::Discarded, error: "hopeless".into(), cause }));
    let gone = async {
        let task = take(&drone).await;
        assert!(bench.backend.rescue(drone.incarnation).await.unwrap());
        task.id
    };
    let (lost, id) = tokio::join!(client.call::<u32>("a", &1, BOUND), gone);
    assert_eq!(lost, Err(Error::Lost { id }));
}

#[tokio::test]
async fn what_takes_longer_is_collected_by_its_id() {
    let (_desk, client, bench) = place().await;
    let drone = drone(&bench, 1).await;
    let Err(Error::TimedOut { id }) = client.call::<u32>("a", &1, SOON).await else { panic!("nobody works") };
    assert_eq!(client.collect::<u32>(id, Duration::ZERO).await, Err(Error::TimedOut { id }), "a look");
    let work = async {
        let task = take(&drone).await;
        drone.end(&task, result(&json!(7))).await;
    };
    let (collected, ()) = tokio::join!(client.collect::<u32>(id, BOUND), work);
    assert_eq!(collected, Ok(7));
    assert_eq!(client.collect::<u32>(id, Duration::ZERO).await, Ok(7), "again");
    let stranger = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    assert_eq!(client.collect::<u32>(stranger, BOUND).await, Err(Error::NotKept { id: stranger }));
}

#[tokio::test]
async fn what_a_task_says_on_its_way_is_handed_on() {
    let (_desk, client, bench) = place().await;
    let drone = drone(&bench, 1).await;
    let heard = Mutex::new(Vec::new());
    let work = async {
        let Handed { id, claim, .. } = take(&drone).await;
        for n in 1..=3 {
            let (n, data) = (Some(f64::from(n)), Some(Bytes::from_static(b"[1]")));
            let note = Progress { task: id, claim, n, of: Some(3.0), note: None, data };
            bench.backend.progress(vec![note]).await.unwrap();
        }
        let told = async {
            while heard.lock().unwrap().len() < 3 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(BOUND, told).await.expect("the caller hears of it");
        let members = skep_queue::Mask::one(0);
        drone.settle_all(claim, skep_queue::BlockId(id.0), members, result(&json!("done"))).await;
    };
    let call = client.call_noting::<String>("a", &1, BOUND, |note| {
        heard.lock().unwrap().push((note.n, note.of, note.data));
    });
    let (done, ()) = tokio::join!(async { call.await }, work);
    assert_eq!(done.as_deref(), Ok("done"));
    let expected = |n| (Some(f64::from(n)), Some(3.0), Some(Bytes::from_static(b"[1]")));
    assert_eq!(*heard.lock().unwrap(), [expected(1), expected(2), expected(3)]);
}

#[tokio::test]
async fn who_is_refused_is_told_or_tries_again_or_does_it_here() {
    let (_desk, client, bench) = place().await;
    let capacity = async |n| bench.set(Setting::Capacity(Some(n))).await;
    capacity(0).await;
    let full = client.call::<u32>("a", &1, BOUND).await;
    assert!(matches!(&full, Err(Error::Rejected(no)) if no.reason == Reason::QueueFull && no.limit == 0));
    assert_eq!(client.queue("a", &1).await.unwrap_err(), full.unwrap_err());
    assert_eq!(client.call_or("a", &20, BOUND, async { 20 + 1 }).await, Ok(21), "done here");
    let retry = Retry { within: BOUND };
    let begun = SystemClock.elapsed();
    let (queued, ()) = tokio::join!(async { client.queue("a", &1).retry(retry).await }, async {
        tokio::time::sleep(SOON).await;
        capacity(1).await;
    });
    assert!(queued.is_ok() && SystemClock.elapsed().saturating_sub(begun) > Duration::from_millis(900));
    let brief = Retry { within: Duration::from_millis(20) };
    let refused = client.call::<u32>("a", &1, BOUND).retry(brief).await;
    assert!(matches!(refused, Err(Error::Rejected(_))), "{refused:?}");
    let late = client.call::<u32>("a", &1, SOON).retry(retry).await;
    assert!(matches!(late, Err(Error::Rejected(_))), "refused to the end: {late:?}");
}

#[tokio::test]
async fn without_a_manager_it_is_told_within_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("unix:{}/none.sock", folder.path().display());
    let options = Options { patience: Duration::from_millis(100), retry: None };
    let Err(Error::Unavailable(why)) = Client::connect_with(&url, options).await else { panic!("nobody") };
    assert!(why.contains("none.sock: No such file"), "{why}");
    assert!(matches!(Client::connect("tcp:x").await, Err(Error::Invalid(why)) if why.contains("no manager")));
    let manager = skep_manager::Manager::open(&url, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
    let client = Client::of(manager, Arc::new(SystemRandom), options);
    let unheard = client.call::<u32>("a", &1, SOON).await;
    assert!(matches!(unheard, Err(Error::Unavailable(_))), "it was never sent: {unheard:?}");
    assert!(matches!(client.queue("a", &1).await, Err(Error::Unavailable(_))));
}

/// Over a line that loses answers, every call is answered with its own result, and every task is run once.
#[tokio::test]
async fn calls_survive_lost_links_and_nothing_runs_twice() {
    const CALLS: u32 = 60;
    let fort = Fort::new(unbounded());
    let faults = Faults { cut: 0.1, lost: 0.2, ..Faults::default() };
    let proxy = Proxy::start(fort.at, 11, faults).await;
    let manager = skep_manager::Manager::new(
        vec![tcp::place(proxy.at, &fort.key)],
        Arc::new(SystemClock),
        Arc::new(SystemRandom),
    );
    let client = Client::of(manager, Arc::new(SystemRandom), Options::default());
    let clock = skep_queue::testing::TestClock::new();
    let bench = Bench::new(tcp::client(tcp::place(fort.at, &fort.key)), clock);
    let drone = drone(&bench, 4).await;
    let tasks = TaskTracker::new();
    let worker = tasks.spawn(async move {
        let mut run = Vec::new();
        while run.len() < CALLS as usize {
            let task = take(&drone).await;
            let n: u32 = serde_json::from_slice(&task.payload).unwrap();
            run.push(n);
            drone.end(&task, result(&json!(n * 2))).await;
        }
        run
    });
    for n in 0..CALLS {
        assert_eq!(client.call("a", &n, BOUND).await, Ok(n * 2));
    }
    assert_eq!(worker.await.unwrap(), (0..CALLS).collect::<Vec<_>>(), "each once");
    let injected = proxy.injected();
    assert!(injected.lost.load(Relaxed) > 3 && injected.cut.load(Relaxed) > 3, "{injected:?}");
}

/// A pump is answered with as many payloads as there was room for, and a settle tells what came of all of them:
/// both may be longer than any request.
#[tokio::test]
async fn what_is_long_travels_all_the_same() {
    const TASKS: usize = 30;
    let fort = Fort::new(unbounded());
    let clock = skep_queue::testing::TestClock::new();
    let bench = Bench::new(tcp::client(tcp::place(fort.at, &fort.key)), clock);
    bench.set(Setting::MaxPayload(1 << 20)).await;
    let payload = vec![b'7'; 1 << 20];
    for _ in 0..TASKS {
        bench.accept(&bench.block("a", std::slice::from_ref(&payload))).await;
    }
    let drone = drone(&bench, TASKS).await;
    let tasks = drone.pump("a", TASKS).await;
    assert!(tasks.len() == TASKS && tasks.iter().all(|task| task.payload.len() == payload.len()));
    let long = Outcome::Complete { result: Some(payload.clone().into()), submit: Vec::new() };
    let settlements = tasks.iter().map(|task| skep_queue::Settlement {
        claim: task.claim,
        block: task.block,
        endings: vec![skep_queue::Ending { members: skep_queue::Mask::one(0), outcome: long.clone() }],
    });
    let settled = bench.backend.settle(settlements.collect()).await.unwrap();
    assert!(settled.len() == TASKS && settled.iter().all(|settled| settled.accepted.len() == 1));
    let blocks: Vec<_> = (0..TASKS).map(|_| bench.block("a", std::slice::from_ref(&payload))).collect();
    let all = bench.backend.submit(skep_queue::Submission::whole(blocks)).await;
    let Err(skep_queue::Error::Refused(why)) = all else { panic!("all or nothing, in one message: {all:?}") };
    assert!(why.contains("so send less"), "{why}");
    assert_eq!(bench.depth().await, 0, "and the link is none the worse");
}
