//! A whole drone over the reference model: what it promises, without a backend's details.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use skep_drone::{
    Builder, Context, Drone, HandlerError, Life, Settings, Stopper,
    policy::{Backoff, Policy},
};
use skep_queue::{
    Admin, Backend, Block, BlockId, ClaimId, Demand, Incarnation, Pump, Queue, QueueName, Submission,
    TaskType,
    admin::{Act, Filter, Setting, State, TaskView},
    block,
    clock::{SystemClock, SystemRandom},
    testing::model::Model,
};

fn name(text: &str) -> TaskType {
    text.parse().unwrap()
}

fn model() -> Arc<Model> {
    Arc::new(Model::new(Arc::new(SystemClock)))
}

async fn submit(queue: &dyn Queue, task_type: &str, payloads: &[String]) {
    let like = Block::one(name(task_type), "0", &SystemClock, &SystemRandom);
    let blocks = block::pack(&like, payloads, || BlockId::new(&SystemClock, &SystemRandom));
    queue.submit(Submission::whole(blocks)).await.unwrap();
}

fn numbers(n: usize) -> Vec<String> {
    (0..n).map(|i| i.to_string()).collect()
}

fn quick() -> Settings {
    let backoff = Backoff { base: Duration::from_millis(1), power: 1, ..Backoff::default() };
    Settings { policy: Policy { max_attempts: 3, backoff, ..Policy::default() }, ..Settings::default() }
}

fn drone(folder: &Path, backend: Arc<dyn Backend>) -> Builder {
    let life = Life { until_empty: true, beat: Duration::from_millis(100), ..Life::default() };
    Drone::builder()
        .name("test")
        .queue("model:", QueueName::default(), backend)
        .local_path(folder.join("local.db"))
        .life(life)
}

async fn tasks(admin: &dyn Admin) -> Vec<TaskView> {
    admin.find(Filter { limit: 100_000, ..Filter::default() }).await.unwrap()
}

async fn states(admin: &dyn Admin) -> HashMap<State, usize> {
    let mut states = HashMap::new();
    tasks(admin).await.iter().for_each(|view| *states.entry(view.state).or_default() += 1);
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_runs_once_and_returns_its_result() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    submit(&*model, "double", &numbers(1000)).await;
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    let double = move |n: u64, _: Context| {
        count.fetch_add(1, Ordering::Relaxed);
        async move { Ok::<_, HandlerError>(n * 2) }
    };
    let drone =
        drone(folder.path(), model.clone()).handler(name("double"), 8, quick(), double).build().unwrap();
    let report = drone.run(Stopper::default()).await.unwrap();
    assert_eq!((report.unreported, report.interrupted), (0, 0));
    assert_eq!(ran.load(Ordering::Relaxed), 1000);
    assert_eq!(states(&*model).await, HashMap::from([(State::Completed, 1000)]));
    let results: u64 =
        tasks(&*model).await.iter().map(|t| t.result.as_ref().unwrap().get().parse::<u64>().unwrap()).sum();
    assert_eq!(results, 999 * 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_retried_and_panics_are_failures() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    submit(&*model, "t", &["\"fail\"", "\"panic\"", "\"never\"", "\"second\"", "7"].map(String::from)).await;
    let handler = |what: String, context: Context| async move {
        match (what.as_str(), context.task().attempt) {
            ("panic", _) => panic!("as asked"),
            ("never", _) => Err(HandlerError::never("hopeless")),
            ("second", 2) => Ok(()),
            _ => Err(HandlerError::failed("not yet")),
        }
    };
    let drone = drone(folder.path(), model.clone()).handler(name("t"), 2, quick(), handler).build().unwrap();
    drone.run(Stopper::default()).await.unwrap();
    let mut ends: Vec<_> = tasks(&*model)
        .await
        .into_iter()
        .map(|t| (t.state, t.attempts, t.error.unwrap_or_default()))
        .collect();
    ends.sort();
    let expected = [
        (State::Completed, 1, "not yet"),
        (State::Discarded, 1, "hopeless"),
        (
            State::Discarded,
            1,
            "the payload does not fit the handler: invalid type: integer `7`, expected a string at line 1 column 1",
        ),
        (State::Discarded, 3, "not yet"),
        (State::Discarded, 3, "the handler panicked: as asked"),
    ];
    assert_eq!(ends, expected.map(|(state, attempts, error)| (state, attempts, error.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_chain_is_settled_once_at_its_end() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    submit(&*model, "factorial", &numbers(10)).await;
    let factorial = |n: u64, context: Context| async move {
        context.next(name("hexadecimal"), &(1..=n).product::<u64>())?;
        context.submit(name("audit"), &n)?;
        Ok::<_, HandlerError>(())
    };
    let hexadecimal = |n: u64, _: Context| async move { Ok::<_, HandlerError>(format!("{n:x}")) };
    let audit = |_: u64, _: Context| async move { Ok::<_, HandlerError>(()) };
    let drone = drone(folder.path(), model.clone())
        .handler(name("factorial"), 2, quick(), factorial)
        .handler(name("hexadecimal"), 2, quick(), hexadecimal)
        .handler(name("audit"), 1, quick(), audit);
    drone.build().unwrap().run(Stopper::default()).await.unwrap();
    let all = tasks(&*model).await;
    assert!(all.iter().all(|task| task.state == State::Completed && task.attempts == 0));
    let mut results: Vec<_> = all
        .iter()
        .filter(|t| t.task_type == name("factorial"))
        .map(|t| t.result.as_ref().unwrap().get())
        .collect();
    results.sort_unstable();
    assert_eq!(
        results,
        [
            "\"1\"",
            "\"1\"",
            "\"13b0\"",
            "\"18\"",
            "\"2\"",
            "\"2d0\"",
            "\"58980\"",
            "\"6\"",
            "\"78\"",
            "\"9d80\""
        ]
    );
    assert_eq!(
        all.iter().filter(|t| t.task_type == name("audit")).count(),
        10,
        "follow-ups of a link enter at the end"
    );
    assert_eq!(all.len(), 20, "links are no tasks of their own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_hands_back_what_has_not_started() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    submit(&*model, "slow", &numbers(20)).await;
    let begun = Arc::new(tokio::sync::Semaphore::new(0));
    let gate = Arc::clone(&begun);
    let slow = move |_: u64, context: Context| {
        gate.add_permits(1);
        async move {
            context.stopped().await;
            Err::<(), _>(HandlerError::failed("stopped"))
        }
    };
    let stopper = Stopper::default();
    let drone = drone(folder.path(), model.clone()).handler(name("slow"), 3, quick(), slow).build().unwrap();
    let asked = stopper.clone();
    let run = drone.run(stopper);
    let ask = async {
        begun.acquire_many(3).await.unwrap().forget();
        asked.stop();
        asked.stop();
    };
    let (report, ()) = tokio::join!(run, ask);
    assert_eq!(report.unwrap().interrupted, 3);
    let all = tasks(&*model).await;
    assert!(all.iter().all(|task| task.state == State::Available && task.attempts == 0), "{all:?}");
    assert_eq!(all.iter().map(|task| task.interruptions).sum::<u16>(), 3);
    assert!(model.drones().await.unwrap().is_empty(), "it said goodbye");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_run_than_there_are_hands_and_a_cancel_reaches_what_runs() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    submit(&*model, "t", &numbers(200)).await;
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak, admin) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&model));
    let handler = move |n: u64, context: Context| {
        let (now, peak, admin) = (Arc::clone(&now), Arc::clone(&peak), Arc::clone(&admin));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            if n == 199 {
                admin.act(Act::Cancel, vec![context.task().id]).await.unwrap();
                context.stopped().await;
            }
            now.fetch_sub(1, Ordering::SeqCst);
            if n == 199 { Err(HandlerError::failed("stopped")) } else { Ok(()) }
        }
    };
    let settings = Settings { prefetch: 5, ..quick() };
    let drone = drone(folder.path(), model.clone()).handler(name("t"), 2, settings, handler).build().unwrap();
    drone.run(Stopper::default()).await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert_eq!(states(&*model).await, HashMap::from([(State::Completed, 199), (State::Cancelled, 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_type_starts_nothing_until_it_is_resumed() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    submit(&*model, "t", &numbers(3)).await;
    model.set(QueueName::default(), Some(name("t")), Setting::Paused(true)).await.unwrap();
    let handler = |_: u64, _: Context| async { Ok::<_, HandlerError>(()) };
    let drone = drone(folder.path(), model.clone()).handler(name("t"), 1, quick(), handler).build().unwrap();
    let run = drone.run(Stopper::default());
    tokio::pin!(run);
    let early = tokio::time::timeout(Duration::from_millis(400), &mut run).await;
    assert!(early.is_err(), "paused, and so not empty");
    assert_eq!(states(&*model).await, HashMap::from([(State::Available, 3)]));
    model.set(QueueName::default(), Some(name("t")), Setting::Paused(false)).await.unwrap();
    run.await.unwrap();
    assert_eq!(states(&*model).await, HashMap::from([(State::Completed, 3)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_drone_had_claimed_but_not_kept_goes_back_free_of_charge() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let handler = |_: u64, _: Context| async { Ok::<_, HandlerError>(()) };
    let first = drone(folder.path(), model.clone()).handler(name("t"), 1, quick(), handler);
    let dead = first.deps().incarnation.parse::<Incarnation>().unwrap().towards("model:");
    first.build().unwrap().run(Stopper::default()).await.unwrap();
    submit(&*model, "t", &numbers(3)).await;
    // As if it had been killed between the claim and its own file.
    let demands = vec![Demand { task_type: name("t"), room: 3 }];
    let claim = ClaimId::new(&SystemRandom);
    let pump = Pump { drone: dead, claim, queue: QueueName::default(), demands };
    let granted = model.pump(pump).await.unwrap();
    assert_eq!(granted.iter().map(|claimed| claimed.live.len()).sum::<usize>(), 3);

    let second = drone(folder.path(), model.clone()).handler(name("t"), 1, quick(), handler).build().unwrap();
    second.run(Stopper::default()).await.unwrap();
    let all = tasks(&*model).await;
    assert!(all.iter().all(|task| task.state == State::Completed && task.losses == 0), "{all:?}");
    assert_eq!(all.len(), 3);
}
