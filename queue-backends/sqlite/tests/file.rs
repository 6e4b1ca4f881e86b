//! What is a file's: what may be opened, what stays in it, what an idle queue writes.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod fixture;

use std::{path::Path, sync::Arc, time::Duration};

use skep_queue::{
    Admin, Backend, Beat, Block, ClaimId, Demand, DroneFacts, Ending, Error, Incarnation, Mask, Outcome,
    Pump, Queue, QueueName, Settlement, Submission, Submitted,
    admin::{Filter, Setting},
    testing::{Bench, Faults, Flaky, TestClock, TestRandom, Verdict, bench::kind},
};
use skep_sqlite::{Connection, Options, SqliteQueue};

fn open(path: &Path) -> Result<SqliteQueue, skep_sqlite::Error> {
    SqliteQueue::open(path, Options::default(), TestClock::new(), TestRandom::new(1))
}

/// Why a file does not open.
fn refused(path: &Path) -> String {
    match open(path) {
        Ok(_) => panic!("{} opened", path.display()),
        Err(error) => error.to_string(),
    }
}

fn count(path: &Path, table: &str) -> i64 {
    let db = Connection::open(path).unwrap();
    db.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap()
}

/// SQLite syncs with a commit that writes; an answer that is a promise must not rest on one that wrote nothing.
#[tokio::test]
async fn an_answer_makes_durable_what_was_submitted_lazily_before() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder.path().join("queue.db")).unwrap();
    let written = || std::fs::metadata(folder.path().join("queue.db-wal")).unwrap().len();
    let block = Block::one(kind("a"), "1", &*TestClock::new(), &*TestRandom::new(2));
    let again = || Submission::whole(vec![block.clone()]);
    assert_eq!(queue.submit_lazily(again()).await.unwrap(), [Submitted::Accepted]);
    let before = written();
    assert_eq!(queue.submit_lazily(again()).await.unwrap(), [Submitted::Existing]);
    assert_eq!(written(), before, "it promises nothing");
    assert_eq!(queue.submit(again()).await.unwrap(), [Submitted::Existing]);
    let existing = written();
    assert!(existing > before, "it promises what another has stored");
    queue.submit(Submission::whole(Vec::new())).await.unwrap();
    assert!(written() > existing, "so does an empty one");
}

#[test]
fn what_cannot_be_opened_says_why_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);

    let foreign = at("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("create table mine (x)").unwrap();
    assert!(refused(&foreign).contains("not one of skep's: choose another path"), "{}", refused(&foreign));

    let newer = at("newer.db");
    drop(open(&newer).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(refused(&newer).contains("has schema 99"), "{}", refused(&newer));
    assert!(refused(&newer).contains("use the newer skep"));

    let garbage = at("garbage.db");
    std::fs::write(&garbage, "no database at all, but long enough to look like one".repeat(99)).unwrap();
    assert!(
        refused(&garbage).contains("is not a SQLite database: choose another path"),
        "{}",
        refused(&garbage)
    );

    let missing = refused(&at("no/such/folder/queue.db"));
    assert!(missing.contains("does not exist: make it first"), "{missing}");

    // Nobody may write there, not even root.
    let forbidden = refused(Path::new("/proc/queue.db"));
    assert!(forbidden.contains("check that the folder exists and may be written"), "{forbidden}");
}

#[tokio::test]
async fn a_damaged_file_is_reported_as_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let queue = open(&path).unwrap();
    let bench = Bench::new(Arc::new(queue), TestClock::new());
    for _ in 0..50 {
        bench.accept(&bench.many("a", 100)).await;
    }
    drop(bench);
    until_closed(&path).await;
    // Everything after the first page, so that it still opens.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let said = match open(&path) {
        Err(error) => Error::from(error),
        Ok(queue) => queue.submit(Submission::whole(vec![one()])).await.unwrap_err(),
    };
    assert!(matches!(said, Error::Corrupt(_)), "{said:?}");
}

/// SQLite removes the WAL with the last connection.
async fn until_closed(path: &Path) {
    let wal = path.with_extension("db-wal");
    let gone = async {
        while wal.exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
}

fn one() -> Block {
    Block::one(kind("a"), "1", &*TestClock::new(), &*TestRandom::new(77))
}

#[tokio::test]
async fn nothing_to_do_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("queue.db"), TestClock::new());
    let bench = Bench::new(fixture::open(path.clone(), &clock), clock);
    let drone = bench.drone("d").await;
    bench.one("b").await;
    let watcher = Connection::open(&path).unwrap();
    // Changes with every commit of another connection that wrote something.
    let version = || watcher.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0)).unwrap();
    let before = version();
    for _ in 0..20 {
        assert!(drone.pump("a", 9).await.is_empty());
    }
    assert_eq!(version(), before, "a pump without work wrote");
    bench.one("a").await;
    assert_ne!(version(), before, "a submit is seen");
}

#[tokio::test]
async fn what_has_expired_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("queue.db"), TestClock::new());
    let bench = Bench::new(fixture::open(path.clone(), &clock), clock);
    bench.set(Setting::Retention(Duration::from_secs(60))).await;
    let drone = bench.drone("d").await;
    // More endings than one sweep takes.
    for _ in 0..25 {
        bench.accept(&bench.many("a", 100)).await;
        for task in drone.pump("a", 100).await {
            drone.end(&task, skep_queue::testing::bench::discard()).await;
        }
    }
    assert_eq!((count(&path, "finished"), count(&path, "bodies")), (2500, 25));
    bench.pass(61);
    drone.beat(&[]).await;
    for table in ["finished", "bodies", "blocks", "history", "parts"] {
        assert_eq!(count(&path, table), 0, "{table}");
    }
    assert_eq!(count(&path, "claims"), 25, "they may still be asked for");
    bench.pass(3600);
    drone.beat(&[]).await;
    assert_eq!(count(&path, "claims"), 0, "and are forgotten in the end");
    fixture::assert_sound(&path);
}

#[tokio::test]
async fn one_row_is_enough_for_a_block_that_just_works() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("queue.db"), TestClock::new());
    let bench = Bench::new(fixture::open(path.clone(), &clock), clock);
    let drone = bench.drone("d").await;
    let block = bench.accept(&bench.many("a", 128)).await;
    let claim = drone.pump("a", 128).await[0].claim;
    // Every member with a result of its own, in one settlement.
    let ending = |ordinal: u8| Ending {
        members: Mask::one(ordinal),
        outcome: Outcome::Complete { result: Some(format!("\"r{ordinal}\"").into()), submit: Vec::new() },
    };
    let endings = (0..128).map(ending).collect();
    let settled = bench.backend.settle(vec![Settlement { claim, block, endings }]).await.unwrap();
    assert_eq!(settled[0].accepted, Mask::first(128));
    let rows = [count(&path, "finished"), count(&path, "parts"), count(&path, "history")];
    assert_eq!(rows, [1, 0, 0]);
    for ordinal in [0, 1, 126, 127] {
        let result = bench.view(block.task(ordinal)).await.result.unwrap();
        assert_eq!(result.get(), format!("\"r{ordinal}\""));
    }
}

#[tokio::test]
async fn what_was_refused_is_not_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("queue.db"), TestClock::new());
    let bench = Bench::new(fixture::open(path.clone(), &clock), clock);
    bench.set(Setting::Capacity(Some(2))).await;
    let block = bench.block("a", &["\"kept\"", "\"kept\"", "\"secret\""]);
    let answer = bench.submit_all(&[block], true).await;
    assert!(matches!(answer[0], Submitted::Partly { accepted: 2, .. }));
    assert!(matches!(bench.submit(&bench.many("new", 1)).await, Submitted::Rejected(_)));
    let db = Connection::open(&path).unwrap();
    let body: Vec<u8> = db.query_row("select body from bodies", [], |row| row.get(0)).unwrap();
    assert!(!body.windows(6).any(|w| w == b"secret"), "a refused payload was stored");
    assert_eq!(count(&path, "lanes"), 1, "a refused type was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shares_a_commit_with_a_mistake_does_not_suffer() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("queue.db"), TestClock::new());
    let bench = Bench::new(fixture::open(path.clone(), &clock), clock);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..200 {
        let bench = bench.clone();
        calls.spawn(async move {
            if n % 10 == 0 {
                let retention = Setting::Retention(Duration::ZERO);
                let refused = bench.backend.set(QueueName::default(), Some(kind("a")), retention).await;
                assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
            } else {
                bench.accept(&bench.many("a", 3)).await;
            }
        });
    }
    calls.join_all().await;
    assert_eq!(bench.depth().await, 180 * 3);
    fixture::assert_sound(&path);
}

#[tokio::test]
async fn a_queue_with_faults_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("queue.db"), TestClock::new());
    let queue: Arc<dyn Backend> = fixture::open(path.clone(), &clock);
    let flaky = Flaky::new(queue, 11, Faults::one_in(4));
    let bench = Bench::new(Arc::clone(flaky.inner()), Arc::clone(&clock));
    let (drone, mut held) = (Incarnation::new(&*bench.random), Vec::new());
    for _ in 0..60 {
        let block = bench.many("a", 20);
        asked(async || flaky.submit(Submission::whole(vec![block.clone()])).await).await;
        let claim = ClaimId::new(&*bench.random);
        let demands = vec![Demand { task_type: kind("a"), room: 15 }];
        let pump = Pump { drone, claim, queue: QueueName::default(), demands };
        held.push(claim);
        let claimed = asked(async || flaky.pump(pump.clone()).await).await;
        for row in claimed {
            let ending = Ending { members: row.live, outcome: Outcome::done() };
            let settlement = Settlement { claim, block: row.block, endings: vec![ending] };
            let settled = asked(async || flaky.settle(vec![settlement.clone()]).await).await;
            let verdicts = Verdict::of(&settled[0], row.live);
            assert!(verdicts.iter().all(|v| matches!(v, Verdict::Accepted | Verdict::Already)));
        }
        let beat = Beat {
            drone,
            queue: QueueName::default(),
            ttl: Duration::from_secs(60),
            held: Vec::new(),
            facts: DroneFacts::default(),
            leaving: false,
        };
        assert_eq!(asked(async || flaky.beat(beat.clone()).await).await.phantoms, []);
        clock.advance(Duration::from_secs(1));
    }
    assert!(flaky.injected().total() > 50, "{:?}", flaky.injected());
    let all = flaky.find(Filter { limit: usize::MAX, ..Filter::default() }).await.unwrap();
    let done = all.iter().filter(|task| task.finished_at.is_some()).count();
    assert_eq!((all.len(), done), (60 * 20, 60 * 15));
    assert!(all.iter().all(|task| (task.attempts, task.losses) == (0, 0)));
    fixture::assert_sound(&path);
}

/// Asks until it is answered, as every caller must.
async fn asked<T>(mut call: impl AsyncFnMut() -> skep_queue::Result<T>) -> T {
    for _ in 0..100 {
        match call().await {
            Ok(answer) => return answer,
            Err(Error::Unavailable(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    panic!("never answered");
}
