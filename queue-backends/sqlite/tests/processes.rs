//! Several handles and processes on one file: turns, wake-ups, and a process that is killed.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod fixture;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use skep_queue::{
    Admin, Block, BlockId, ClaimId, Clock, Demand, Due, Incarnation, Pump, Queue, QueueName, Submission,
    Submitted, TaskType,
    admin::Filter,
    block::pack,
    clock::{SystemClock, SystemRandom},
};
use skep_sqlite::{Config, Db, Options, Sharing, SqliteQueue};

const FILE: &str = "SKEP_TEST_FILE";
/// Tasks in a call of the submitter.
const CALL: usize = 300;
const ROLE: &str = "SKEP_TEST_ROLE";

fn open(path: &Path) -> SqliteQueue {
    SqliteQueue::open(path, Options::default(), Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap()
}

fn kind() -> TaskType {
    "a".parse().unwrap()
}

fn one() -> Block {
    Block::one(kind(), "1", &SystemClock, &SystemRandom)
}

fn pump(room: usize) -> Pump {
    let (drone, claim) = (Incarnation::new(&SystemRandom), ClaimId::new(&SystemRandom));
    Pump { drone, claim, queue: QueueName::default(), demands: vec![Demand { task_type: kind(), room }] }
}

/// This test binary once more, playing a role on a file.
fn child(role: &str, path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "role_of_a_child", "--nocapture"]).env(FILE, path).env(ROLE, role);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits for a condition, bounded.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let bounded = tokio::time::timeout(Duration::from_secs(60), async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    bounded.await.unwrap_or_else(|_| panic!("{what}: not within a minute"));
}

/// What a child does; nothing when this is not one.
#[tokio::test]
async fn role_of_a_child() {
    let (Ok(role), Some(path)) = (std::env::var(ROLE), std::env::var_os(FILE).map(PathBuf::from)) else {
        return;
    };
    match role.as_str() {
        "write" => write_for_two_seconds(&path).await,
        "hang" => hang_in_a_transaction(&path).await,
        "submit" => {
            let note = path.with_extension(format!("{}.note", std::process::id()));
            let mut told = std::fs::File::options().append(true).create(true).open(note).unwrap();
            let queue = open(&path);
            for n in 0.. {
                let like = one();
                let ids = || BlockId::new(&SystemClock, &SystemRandom);
                let blocks = pack(&like, &vec![n.to_string(); CALL], ids);
                queue.submit(Submission::whole(blocks)).await.unwrap();
                // What it was told, kept where the queue cannot reach it.
                told.write_all(b"x").unwrap();
            }
        }
        other => panic!("{other} is no role"),
    }
}

/// Submits in a closed loop, and leaves its count and its longest wait (in milliseconds) in a file.
async fn write_for_two_seconds(path: &Path) {
    let (queue, start) = (open(path), SystemClock.elapsed());
    let (mut done, mut longest) = (0, Duration::ZERO);
    while SystemClock.elapsed().saturating_sub(start) < Duration::from_secs(2) {
        let before = SystemClock.elapsed();
        assert_eq!(queue.submit(Submission::whole(vec![one()])).await.unwrap(), [Submitted::Accepted]);
        longest = longest.max(SystemClock.elapsed().saturating_sub(before));
        done += 1;
    }
    let note = path.with_extension(format!("{}.note", std::process::id()));
    std::fs::write(note, format!("{done} {}", longest.as_millis())).unwrap();
}

async fn hang_in_a_transaction(path: &Path) {
    let config = Config {
        path: path.to_owned(),
        sharing: Sharing::Shared,
        durable: true,
        application: skep_migrations::SQLITE_APPLICATION,
        migrations: skep_migrations::SQLITE,
        allow_network: false,
        check: false,
    };
    let (db, note) = (Db::open(config).unwrap(), path.with_extension("note"));
    let hung = db.write(move |db| {
        db.execute_batch("delete from parts; delete from blocks; update queues set depth = 0")?;
        // Large enough to reach the WAL before the commit.
        db.execute_batch("create table spill as with recursive n(i) as (select 1 union all select i + 1 from n limit 200000) select i, randomblob(100) b from n")?;
        std::fs::write(&note, "hung").unwrap();
        loop {
            std::thread::park();
        }
        #[expect(unreachable_code, reason = "gives the closure its type")]
        Ok(())
    });
    hung.await.unwrap();
}

#[tokio::test]
async fn eight_processes_take_turns_and_none_starves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let queue = open(&path);
    let children: Vec<Child> = (0..8).map(|_| child("write", &path)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let mut total = 0;
    for note in std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()) {
        if note.extension().is_some_and(|extension| extension == "note") {
            let text = std::fs::read_to_string(&note).unwrap();
            let (done, longest) = text.split_once(' ').unwrap();
            println!("a writer: {done} submits, the longest took {longest} ms");
            assert!(done.parse::<u64>().unwrap() > 0, "a writer starved");
            total += done.parse::<u64>().unwrap();
        }
    }
    let queues = queue.queues().await.unwrap();
    assert_eq!((queues[0].depth, queues[0].available), (total, total));
}

#[tokio::test]
async fn a_process_killed_in_a_transaction_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let queue = open(&path);
    let blocks = vec![one(), one(), one()];
    queue.submit(Submission::whole(blocks.clone())).await.unwrap();
    let mut hung = child("hang", &path);
    until("the child is in its transaction", async || path.with_extension("note").exists()).await;
    // It has the turn: who reads goes on meanwhile.
    assert_eq!(queue.queues().await.unwrap()[0].depth, 3);
    hung.kill().unwrap();
    hung.wait().unwrap();
    let again = queue.submit(Submission::whole(blocks)).await.unwrap();
    assert_eq!(again, vec![Submitted::Existing; 3]);
    assert_eq!(queue.pump(pump(9)).await.unwrap().len(), 3);
    queue.close().await;
    fixture::assert_sound(&path);
}

#[tokio::test]
async fn what_a_killed_submitter_was_told_is_there_and_its_last_call_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let queue = open(&path);
    for _ in 0..5 {
        let before = queue.queues().await.unwrap().first().map_or(0, |queue| queue.depth);
        let mut submitter = child("submit", &path);
        until("it submits", async || {
            queue.queues().await.unwrap().first().is_some_and(|queue| queue.depth > before + 5 * CALL as u64)
        })
        .await;
        submitter.kill().unwrap();
        submitter.wait().unwrap();
        let told = std::fs::read(path.with_extension(format!("{}.note", submitter.id()))).unwrap().len();
        let there = (queue.queues().await.unwrap()[0].depth - before) as usize;
        assert!(there == told * CALL || there == (told + 1) * CALL, "told of {told} calls, {there} tasks");
    }
    let shown = queue.queues().await.unwrap().remove(0);
    assert_eq!(shown.depth, shown.available, "what is counted is there");
    let kept = queue.find(Filter { limit: usize::MAX, ..Filter::default() }).await.unwrap();
    assert_eq!(kept.len() as u64, shown.depth);
    queue.close().await;
    fixture::assert_sound(&path);
}

#[tokio::test]
async fn a_ring_wakes_at_once_whoever_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let (here, there) = (Arc::new(open(&path)), open(&path));
    let start = SystemClock.elapsed();
    for _ in 0..40 {
        // Two that wait on one handle, for work and for orders.
        let mut waiting = tokio::task::JoinSet::new();
        for types in [vec![kind()], vec![]] {
            let here = Arc::clone(&here);
            waiting.spawn(async move { here.arrival(&types).await });
        }
        tokio::task::yield_now().await;
        there.submit(Submission::whole(vec![one()])).await.unwrap();
        waiting.join_all().await;
        assert_eq!(here.pump(pump(9)).await.unwrap().len(), 1);
    }
    // By polling alone forty would take at least thirty seconds.
    let took = SystemClock.elapsed().saturating_sub(start);
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test]
async fn a_wait_that_is_dropped_takes_no_wake_up_from_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let (here, there) = (open(&path), open(&path));
    let start = SystemClock.elapsed();
    for _ in 0..40 {
        let _ = tokio::time::timeout(Duration::from_millis(1), here.arrival(&[kind()])).await;
        let (types, blocks) = ([kind()], vec![one()]);
        let (arrival, submit) = (here.arrival(&types), there.submit(Submission::whole(blocks)));
        tokio::join!(arrival, submit).1.unwrap();
        assert_eq!(here.pump(pump(9)).await.unwrap().len(), 1);
    }
    let took = SystemClock.elapsed().saturating_sub(start);
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test]
async fn due_work_is_found_when_it_is_due() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder.path().join("queue.db"));
    let start = SystemClock.elapsed();
    for _ in 0..30 {
        let block = Block { due: Due::In(Duration::from_millis(20)), ..one() };
        queue.submit(Submission::whole(vec![block])).await.unwrap();
        until("it is due", async || {
            queue.arrival(&[kind()]).await;
            !queue.pump(pump(1)).await.unwrap().is_empty()
        })
        .await;
    }
    // By polling alone thirty would take at least twenty-four seconds.
    let took = SystemClock.elapsed().saturating_sub(start);
    assert!(took < Duration::from_secs(12), "{took:?}");
}

#[tokio::test]
async fn work_of_another_queue_or_a_paused_one_does_not_wake() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder.path().join("queue.db"));
    let other = Block { queue: "other".parse().unwrap(), ..one() };
    queue.submit(Submission::whole(vec![one(), other])).await.unwrap();
    let pause = skep_queue::admin::Setting::Paused(true);
    queue.set(QueueName::default(), None, pause).await.unwrap();
    assert!(queue.pump(pump(1)).await.unwrap().is_empty());
    let start = SystemClock.elapsed();
    queue.arrival(&[kind()]).await;
    // Else a drone would spin.
    assert!(SystemClock.elapsed().saturating_sub(start) > Duration::from_millis(500));
}
