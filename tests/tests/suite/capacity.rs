//! Many processes push at a queue with little room: the bound is never exceeded, at any commit, and who is
//! refused is told why. A naive queue in the same place overshoots.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use skep_queue::{QueueName, Reason, admin::Setting};
use skep_sqlite::Connection;
use skep_tests::plan::{self, Answers, Pusher, Way};

use super::{
    process::Process,
    scene::Scene,
    wait::{BOUND, eventually, short_or_long, until},
};

const PUSHERS: usize = 16;
const BOUND_OF_QUEUE: u64 = 1_000;
/// What the queue says, and what is there, in one snapshot.
const DEPTHS: &str = "select (select depth from queues where name = 'default'), \
     (select coalesce(sum(n), 0) from parts)";

/// A submitter to be started.
pub fn command(pusher: &Pusher) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_test-submit"));
    command.env(plan::VARIABLE, serde_json::to_string(pusher).unwrap());
    command
}

fn start(pusher: &Pusher) -> Child {
    command(pusher).spawn().unwrap()
}

fn all_ended(pushers: &mut [Child]) -> bool {
    pushers.iter_mut().all(|pusher| match pusher.try_wait().unwrap() {
        Some(status) => {
            assert!(status.success(), "a submitter failed");
            true
        }
        None => false,
    })
}

fn answers(path: &Path) -> Answers {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_processes_never_exceed_the_capacity() {
    let length = Duration::from_secs(short_or_long(5, 60));
    let mut scene = Scene::new().await;
    let capacity = Setting::Capacity(Some(BOUND_OF_QUEUE));
    scene.queue.set(QueueName::default(), None, capacity).await.unwrap();
    let plan = scene.plan("slow");
    let drone = Process::start(&skep_tests::plan::Plan { hands: 2, ..plan }).ready().await;
    let files: Vec<PathBuf> = (0..PUSHERS).map(|n| scene.path(&format!("answers-{n}"))).collect();
    let pusher = |answers: &PathBuf| Pusher {
        queue: scene.url.clone(),
        answers: answers.clone(),
        length,
        way: Way::Queue,
        bound: BOUND_OF_QUEUE,
        journal: None,
    };
    let mut pushers: Vec<Child> = files.iter().map(|file| start(&pusher(file))).collect();
    let observer = Connection::open(scene.path("queue.db")).unwrap();
    observer.busy_timeout(Duration::from_secs(5)).unwrap();
    let (mut most, mut looks) = (0, 0_u64);
    eventually("the submitters have ended", length + BOUND, || {
        for _ in 0..20 {
            let depths = observer.query_row(DEPTHS, [], |row| Ok((row.get(0)?, row.get(1)?)));
            let (depth, there): (i64, i64) = depths.unwrap();
            assert_eq!(depth, there, "I10: the count is what is there, at every commit");
            (most, looks) = (most.max(depth.cast_unsigned()), looks + 1);
        }
        std::future::ready(all_ended(&mut pushers).then_some(()))
    })
    .await;
    let told: Vec<Answers> = files.iter().map(|file| answers(file)).collect();
    let rejected: Vec<_> = told.iter().flat_map(|told| &told.rejected).collect();
    assert!(!rejected.is_empty(), "there was more than room");
    for rejection in &rejected {
        assert_eq!((rejection.reason, rejection.limit), (Reason::QueueFull, BOUND_OF_QUEUE));
        assert!(rejection.depth <= BOUND_OF_QUEUE && rejection.retry_after.is_some(), "{rejection:?}");
    }
    let refusals = rejected.len();
    scene.acknowledged(told.into_iter().flat_map(|told| told.accepted));
    scene.observed(most, BOUND_OF_QUEUE);
    scene.empty(BOUND).await;
    assert!(drone.drained().await.success());
    scene.check(&format!("capacity: most {most} in {looks} looks, refusals {refusals}")).await;
    assert_eq!(most, BOUND_OF_QUEUE, "it was full");
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_before_inserting_overshoots() {
    const BOUND_OF_NAIVE: u64 = 200;
    let dir = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let path = dir.path().join(format!("naive-{round}.db"));
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("pragma journal_mode = wal; create table tasks (payload text)").unwrap();
        let pusher = Pusher {
            queue: path.display().to_string(),
            answers: dir.path().join("answers"),
            length: Duration::ZERO,
            way: Way::Counting,
            bound: BOUND_OF_NAIVE,
            journal: None,
        };
        let mut pushers: Vec<Child> = (0..PUSHERS).map(|_| start(&pusher)).collect();
        until("the control has ended", || all_ended(&mut pushers)).await;
        let count: i64 = connection.query_row("select count(*) from tasks", [], |row| row.get(0)).unwrap();
        if count.cast_unsigned() > BOUND_OF_NAIVE {
            eprintln!("capacity, the control: {count} of {BOUND_OF_NAIVE} in round {round}");
            return;
        }
    }
    panic!("the control never overshot: the experiment proves nothing");
}
