//! Who is let in, who is not, and what those are told.
#![expect(clippy::unwrap_used, reason = "tests")]

mod desk;

use std::{collections::BTreeMap, time::Duration};

use desk::{Desk, bounded, drone, limits, name, quiet};
use skep_manager::server::{Config, Limits, Promote};
use skep_queue::{
    Block, Outcome, Reason, Submission, Submitted,
    admin::{Intake, Setting},
    testing::{
        Bench,
        bench::{Drone, kind},
    },
};

/// Submits tasks one by one, and answers how many were accepted before the first that was not.
async fn fill(bench: &Bench, task_type: &str) -> (u64, skep_queue::Rejection) {
    for accepted in 0..10_000 {
        match bench.submit(&bench.many(task_type, 1)).await {
            Submitted::Accepted => {}
            Submitted::Rejected(rejection) => return (accepted, rejection),
            other => panic!("{other:?}"),
        }
    }
    panic!("no bound");
}

/// One run by this drone that takes so long; it leaves nothing behind.
async fn run(desk: &Desk, bench: &Bench, drone: &Drone, time: Duration) {
    bench.one("a").await;
    let task = drone.take("a").await;
    desk.clock.advance(time);
    drone.complete(&task).await;
}

async fn capacity(bench: &Bench) -> Option<u64> {
    bench.queue("default").await.and_then(|queue| queue.capacity)
}

/// `N` places, one drone with two hands, and `N + 3` slow tasks.
#[tokio::test]
async fn exactly_the_excess_is_refused_and_told_how_long_the_wait_is() {
    const N: u64 = 12;
    let desk = Desk::new();
    let bench = desk.bench(&desk.still(bounded("12")));
    let drone = drone(&bench, 2).await;
    run(&desk, &bench, &drone, Duration::from_secs(4)).await;
    let mut refused = Vec::new();
    for i in 0..N + 3 {
        match bench.submit(&bench.many("a", 1)).await {
            Submitted::Accepted => assert!(i < N, "{i} is one too many"),
            Submitted::Rejected(rejection) => refused.push(rejection),
            other => panic!("{other:?}"),
        }
        if i == 1 {
            assert_eq!(drone.pump("a", 2).await.len(), 2);
        }
    }
    assert_eq!(refused.len(), 3);
    for rejection in refused {
        assert_eq!((rejection.reason, rejection.depth, rejection.limit), (Reason::QueueFull, N, N));
        // Ten before it, two hands, four seconds each.
        assert_eq!(rejection.retry_after, Some(Duration::from_secs(20)));
    }
    assert_eq!(bench.depth().await, N);
}

#[tokio::test]
async fn a_wait_that_is_not_known_is_a_second() {
    let desk = Desk::new();
    let bench = desk.bench(&desk.still(bounded("2")));
    let (accepted, rejection) = fill(&bench, "a").await;
    assert_eq!((accepted, rejection.reason), (2, Reason::QueueFull), "a number accepts for later");
    assert_eq!(rejection.retry_after, Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn a_bound_in_hands_follows_the_hands() {
    let desk = Desk::new();
    let bench = desk.bench(&desk.still(bounded("3x")));
    let (accepted, rejection) = fill(&bench, "a").await;
    assert_eq!((accepted, rejection.reason), (0, Reason::NoWorker));
    assert_eq!((rejection.depth, rejection.limit), (0, 0));
    assert_eq!(rejection.retry_after, Some(Duration::from_secs(1)));
    assert!(rejection.to_string().starts_with("no_worker: no drone pumps queue default"), "{rejection}");

    // Whoever has beaten counts, before anything else is asked.
    let first = drone(&bench, 2).await;
    let block = bench.many("a", 1);
    assert_eq!(bench.submit(&block).await, Submitted::Accepted);
    let (more, rejection) = fill(&bench, "a").await;
    assert_eq!((more, rejection.reason, rejection.depth, rejection.limit), (5, Reason::QueueFull, 6, 6));
    let second = drone(&bench, 1).await;
    assert_eq!(fill(&bench, "a").await.0, 3);
    // The same beat again is not counted again.
    second.beat(&[]).await;
    assert_eq!(capacity(&bench).await, Some(9));
    second.leave().await;
    assert_eq!(capacity(&bench).await, Some(6));
    // One that shall drain takes nothing more.
    let third = drone(&bench, 5).await;
    assert_eq!(capacity(&bench).await, Some(21));
    bench.backend.drain(third.incarnation).await.unwrap();
    assert_eq!(capacity(&bench).await, Some(6));

    assert!(bench.backend.rescue(first.incarnation).await.unwrap());
    assert_eq!(capacity(&bench).await, Some(0));
    let (_, rejection) = fill(&bench, "a").await;
    assert_eq!((rejection.reason, rejection.depth), (Reason::NoWorker, 9));
    // What was accepted before is known, whoever is connected now.
    assert_eq!(bench.submit(&block).await, Submitted::Existing);
}

#[tokio::test]
async fn a_drone_that_is_killed_is_not_counted_within_a_heartbeat() {
    let desk = Desk::new();
    let config = Config { heartbeat: Duration::from_millis(200), ..bounded("3x") };
    let manager = desk.lively(config);
    let bench = desk.bench(&manager);
    {
        let killed = desk.bench(&manager);
        drone(&killed, 2).await;
        assert_eq!(fill(&bench, "a").await.0, 6);
    }
    desk.until("it is not counted", async || capacity(&bench).await == Some(0)).await;
    assert_eq!(fill(&bench, "a").await.1.reason, Reason::NoWorker);
}

/// A drone that beats at one is counted by the other.
#[tokio::test]
async fn two_managers_agree() {
    let desk = Desk::new();
    let [one, other] = [(); 2].map(|()| desk.bench(&desk.lively(bounded("2x"))));
    assert_eq!(fill(&other, "a").await.1.reason, Reason::NoWorker);
    let drone = drone(&one, 3).await;
    desk.until("the other sees it", async || other.submit(&other.many("a", 1)).await == Submitted::Accepted)
        .await;
    assert_eq!(fill(&other, "a").await.1.limit, 6);
    drone.leave().await;
    desk.until("the other misses it", async || fill(&other, "a").await.1.reason == Reason::NoWorker).await;
}

#[tokio::test]
async fn a_bound_in_time_is_what_the_hands_do_in_it() {
    let desk = Desk::new();
    let manager = desk.still(bounded("30s"));
    let bench = desk.bench(&manager);
    assert_eq!(fill(&bench, "a").await.1.reason, Reason::NoWorker);
    let mut drone = drone(&bench, 2).await;
    bench.one("a").await;
    assert_eq!(capacity(&bench).await, Some(6), "three times the hands before the first run has ended");
    let task = drone.take("a").await;
    desk.clock.advance(Duration::from_secs(10));
    drone.complete(&task).await;
    // Two that run, and three each in the thirty seconds after.
    desk.until("the run is counted", async || capacity(&bench).await == Some(8)).await;
    let (_, rejection) = fill(&bench, "a").await;
    assert_eq!((rejection.limit, rejection.retry_after), (8, Some(Duration::from_secs(30))));
    drone.facts.hands = 4;
    drone.beat(&[]).await;
    assert_eq!(capacity(&bench).await, Some(16));
}

#[tokio::test]
async fn types_have_bounds_of_their_own() {
    let desk = Desk::new();
    let types = BTreeMap::from([(kind("a"), "2x".parse().unwrap()), (kind("b"), "3".parse().unwrap())]);
    let queues = BTreeMap::from([(name("default"), Limits { types, ..limits("100") })]);
    let manager = desk.still(Config { queues, ..quiet() });
    let (bench, mut line) = (desk.bench(&manager), desk.line(&manager).await);
    assert_eq!(fill(&bench, "b").await.1.reason, Reason::TypeFull, "a number accepts for later");
    let (accepted, rejection) = fill(&bench, "a").await;
    assert_eq!((accepted, rejection.reason), (0, Reason::NoWorker));
    assert!(rejection.detail.contains("that serves a"), "{rejection}");
    let mut other = Drone::new(&bench, "other");
    (other.facts.hands, other.facts.types) = (7, vec![kind("b")]);
    other.beat(&[]).await;
    assert_eq!(fill(&bench, "a").await.1.reason, Reason::NoWorker, "nobody serves it");
    drone(&bench, 2).await;
    let (accepted, rejection) = fill(&bench, "a").await;
    assert_eq!((accepted, rejection.reason, rejection.limit), (4, Reason::TypeFull, 4));
    assert_eq!(fill(&bench, "c").await.0, 93, "the queue's own bound");

    let status = line.status().await;
    assert_eq!(status.refused, counts([("no_worker", 2), ("queue_full", 1), ("type_full", 2)]));
    let [queue] = &status.queues[..] else { panic!("{status:?}") };
    assert_eq!(
        (queue.depth, queue.limit, queue.bound.as_deref(), queue.hands),
        (100, Some(100), Some("100"), 9)
    );
    let types: Vec<_> =
        queue.types.iter().map(|of| (&*of.name, of.limit, of.bound.as_deref(), of.hands)).collect();
    assert_eq!(types, [("a", Some(4), Some("2x"), 2), ("b", Some(3), Some("3"), 9)]);
}

fn counts<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.map(|(reason, tasks)| (reason.to_owned(), tasks)).into()
}

#[tokio::test]
async fn whose_word_holds() {
    let desk = Desk::new();
    let store = desk.store();
    for (queue, capacity) in [("kept", Some(7)), ("named", Some(7)), ("open", None)] {
        store.backend.set(name(queue), None, Setting::Capacity(capacity)).await.unwrap();
    }
    let own = Limits { retention: Some(Duration::from_secs(60)), ..limits("5") };
    let all = Limits { retention: Some(Duration::from_secs(1800)), ..limits("6") };
    let config = || Config {
        limits: all.clone(),
        queues: [(name("named"), own.clone()), (name("coming"), own.clone())].into(),
        ..quiet()
    };
    let bench = desk.bench(&desk.still(config()));
    let of = async |queue: &str| store.queue(queue).await.map(|view| (view.capacity, view.retention));
    desk.until("what is named is set at the start", async || of("coming").await == Some((Some(5), 60))).await;
    desk.until("and wins over the store", async || of("named").await == Some((Some(5), 60))).await;
    assert_eq!(of("kept").await, Some((Some(7), 86_400)), "others are left alone until they are used");
    for queue in ["kept", "named", "open", "new"] {
        let block = Block { queue: name(queue), ..bench.many("a", 1) };
        assert_eq!(bench.submit(&block).await, Submitted::Accepted);
    }
    assert_eq!(of("kept").await, Some((Some(7), 86_400)), "an operator's number is kept");
    assert_eq!(of("open").await, Some((Some(6), 86_400)), "nothing is unbounded by chance");
    assert_eq!(of("new").await, Some((Some(6), 1800)));

    // An operator's word holds until the manager starts again.
    bench.backend.set(name("named"), None, Setting::Capacity(Some(9))).await.unwrap();
    bench.backend.set(name("named"), None, Setting::Intake(Intake::Paused)).await.unwrap();
    let block = Block { queue: name("named"), ..bench.many("a", 1) };
    let Submitted::Rejected(rejection) = bench.submit(&block).await else { panic!() };
    assert_eq!(rejection.reason, Reason::IntakePaused);
    assert_eq!(of("named").await, Some((Some(9), 60)));
    let again = desk.bench(&desk.still(config()));
    desk.until("the configuration holds again", async || of("named").await == Some((Some(5), 60))).await;
    assert_eq!(again.queue("named").await.unwrap().depth, 1);
}

#[tokio::test]
async fn an_operators_number_is_not_undone_by_hands() {
    let desk = Desk::new();
    let bench = desk.bench(&desk.still(bounded("3x")));
    bench.set(Setting::Capacity(Some(4))).await;
    let (accepted, rejection) = fill(&bench, "a").await;
    assert_eq!((accepted, rejection.reason), (4, Reason::QueueFull));
    drone(&bench, 50).await;
    assert_eq!(capacity(&bench).await, Some(4));
}

#[tokio::test]
async fn a_call_of_several_says_who_refused() {
    let desk = Desk::new();
    let queues = [(name("one"), limits("3x")), (name("other"), limits("2"))].into();
    let manager = desk.still(Config { queues, ..bounded("none") });
    let (bench, mut line) = (desk.bench(&manager), desk.line(&manager).await);
    let block = |queue: &str, tasks| Block { queue: name(queue), ..bench.many("a", tasks) };
    let submission = |partial| Submission { blocks: vec![block("one", 1), block("other", 5)], partial };
    let answers = bench.backend.submit(submission(false)).await.unwrap();
    let reasons: Vec<_> = answers.iter().map(|answer| rejection(answer).reason).collect();
    assert_eq!(reasons, [Reason::NoWorker, Reason::NoWorker]);
    let answers = bench.backend.submit(submission(true)).await.unwrap();
    assert_eq!(rejection(&answers[0]).reason, Reason::NoWorker);
    assert!(
        matches!(&answers[1], Submitted::Partly { accepted: 2, rejection } if rejection.reason == Reason::QueueFull)
    );
    assert_eq!(line.status().await.refused, counts([("no_worker", 7), ("queue_full", 3)]));
}

fn rejection(answer: &Submitted) -> &skep_queue::Rejection {
    match answer {
        Submitted::Rejected(rejection) => rejection,
        other => panic!("{other:?}"),
    }
}

/// What follows from an ending enters a queue that has its bound.
#[tokio::test]
async fn follow_ups_meet_a_bound() {
    let desk = Desk::new();
    let bench = desk.bench(&desk.still(bounded("2")));
    let drone = drone(&bench, 1).await;
    bench.one("a").await;
    let task = drone.take("a").await;
    let submit = vec![Block { queue: name("next"), ..bench.many("a", 3) }];
    let verdict = drone.settle(&task, Outcome::Complete { result: None, submit }).await;
    assert!(matches!(verdict, skep_queue::testing::bench::Verdict::Refused(Some(_))), "{verdict:?}");
}

#[tokio::test]
async fn promotion_follows_the_mean_wait() {
    let desk = Desk::new();
    let promoted = |promote| Limits { promote_after: Some(promote), ..Limits::default() };
    let queues = [
        (name("default"), promoted(Promote::Waits(1.5))),
        (name("fixed"), promoted(Promote::After(Duration::from_secs(30)))),
        (name("strict"), promoted(Promote::Never)),
    ];
    desk.store()
        .backend
        .set(name("strict"), None, Setting::PromoteAfter(Some(Duration::from_secs(9))))
        .await
        .unwrap();
    let manager = desk.still(Config { queues: queues.into(), ..bounded("10") });
    let (bench, mut line) = (desk.bench(&manager), desk.line(&manager).await);
    let after = async |queue: &str| bench.queue(queue).await.and_then(|view| view.promote_after);
    desk.until("one is set", async || after("fixed").await == Some(Duration::from_secs(30))).await;
    desk.until("one is unset", async || {
        bench.queue("strict").await.is_some() && after("strict").await.is_none()
    })
    .await;
    assert_eq!(after("default").await, None, "nothing is known yet");
    let drone = drone(&bench, 4).await;
    for wait in [2, 4] {
        bench.one("a").await;
        desk.clock.advance(Duration::from_secs(wait));
        drone.take("a").await;
    }
    let mean = Some(Duration::from_millis(4500));
    desk.until("one follows", async || after("default").await == mean).await;
    bench.one("a").await;
    desk.clock.advance(Duration::from_secs(7));
    let status = line.status().await;
    let queue = status.queues.iter().find(|queue| queue.name == "default").unwrap();
    assert_eq!((queue.mean_wait, queue.waiting), (Some(3.0), Some(7.0)));
}
