//! A bounded queue on a server, 32 submitters through the library beside 32 that send plain SQL within
//! transactions of their own, a third of which come to nothing; a drone drains, and in the middle the server
//! crashes. The bound holds at every commit, who is refused is told so, and all the room comes back.

use std::{
    collections::HashSet,
    io::Write,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use skep_queue::{
    Block, BlockId, Error, QueueName, Reason, Submission, Submitted, TaskId,
    admin::Setting,
    block,
    clock::{SystemClock, SystemRandom},
};
use skep_tests::{backend, plan::Plan};
use tokio::task::JoinSet;

use super::{
    pg_crash::kill_one,
    process::Process,
    server::Fleet,
    wait::{BOUND, eventually, short_or_long},
};

const CLIENTS: usize = 32;
const BOUND_OF_QUEUE: u64 = 1_000;
/// What is there, whatever anybody counts.
const THERE: &str = "select coalesce(sum(n), 0) from skep.tasks";
/// Transactions of one session in plain SQL.
const TRANSACTIONS: usize = 12;
/// Says when a transaction is over, and how.
const COMMITTED: &str = "committed";
const ROLLED_BACK: &str = "rolled back";

/// What one client was told.
#[derive(Default)]
struct Told {
    accepted: Vec<TaskId>,
    /// Those of a transaction whose end was not heard.
    perhaps: Vec<TaskId>,
    rolled_back: Vec<TaskId>,
}

/// What all clients share.
#[derive(Default)]
struct Crowd {
    stop: AtomicBool,
    refused: AtomicUsize,
}

impl Told {
    fn add(&mut self, other: Self) {
        self.accepted.extend(other.accepted);
        self.perhaps.extend(other.perhaps);
        self.rolled_back.extend(other.rolled_back);
    }
}

/// A submitter through the library: asks again, with the same ids, until it is answered.
async fn by_the_library(url: String, crowd: Arc<Crowd>) -> Told {
    let queue = backend::open(&url).await.unwrap();
    let mut told = Told::default();
    while !crowd.stop.load(Relaxed) {
        let like = Block::one("work".parse().unwrap(), "{}", &SystemClock, &SystemRandom);
        let blocks =
            block::pack(&like, &[r#"{"millis":2}"#; 5], || BlockId::new(&SystemClock, &SystemRandom));
        let answer = eventually("an answer", BOUND, || async {
            match queue.submit(Submission::whole(blocks.clone())).await {
                Err(Error::Unavailable(_)) => None,
                answer => Some(answer.unwrap().remove(0)),
            }
        })
        .await;
        match answer {
            Submitted::Accepted | Submitted::Existing => {
                told.accepted.extend(blocks[0].mask().iter().map(|ordinal| blocks[0].id.task(ordinal)));
            }
            Submitted::Rejected(no) => {
                assert_eq!((no.reason, no.limit), (Reason::QueueFull, BOUND_OF_QUEUE));
                crowd.refused.fetch_add(1, Relaxed);
            }
            other => panic!("{other:?}"),
        }
    }
    told
}

/// What a session sends: transactions of one to three submits, every third rolled back. What a full queue
/// refuses undoes the submit, and not the transaction.
fn script(client: usize) -> String {
    let mut script = String::from("\\set VERBOSITY sqlstate\n\\set ON_ERROR_ROLLBACK on\n");
    for transaction in 0..TRANSACTIONS {
        script += "begin;\n";
        for _ in 0..1 + (client + transaction) % 3 {
            script += "select skep.submit('work', '{\"millis\": 2}', notify => false);\n";
        }
        let (end, said) = if (client + transaction).is_multiple_of(3) {
            ("rollback", ROLLED_BACK)
        } else {
            ("commit", COMMITTED)
        };
        script += &format!("{end};\n\\echo {said}\n");
    }
    script
}

/// One session; what it was told by the time it ended, or the server threw it out.
fn session(mut psql: std::process::Command, script: &str, crowd: &Crowd) -> Told {
    let psql = psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = psql.spawn().unwrap();
    // A session that is thrown out does not hear the rest.
    let _ = child.stdin.take().unwrap().write_all(script.as_bytes());
    let output = child.wait_with_output().unwrap();
    let (mut told, mut open) = (Told::default(), Vec::new());
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match line {
            COMMITTED => told.accepted.append(&mut open),
            ROLLED_BACK => told.rolled_back.append(&mut open),
            id => open.extend(id.parse::<TaskId>().ok()),
        }
    }
    told.perhaps = open;
    let said = String::from_utf8_lossy(&output.stderr);
    crowd.refused.fetch_add(said.matches("SK001").count(), Relaxed);
    let odd = said.lines().find(|line| line.contains("ERROR:") && !line.contains("SK001"));
    assert!(odd.is_none(), "refused in another way: {odd:?}");
    told
}

/// Ends the clients, also when the test fails: a thread that asks for ever would keep the failure from being said.
struct Stop(Arc<Crowd>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stop.store(true, Relaxed);
    }
}

/// Starts all clients; each ends, with what it was told, when the crowd is told to stop.
fn clients(fleet: &Fleet, crowd: &Arc<Crowd>) -> JoinSet<Told> {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(by_the_library(fleet.scene.url.clone(), Arc::clone(crowd)));
        let (psqls, crowd) = (fleet.psqls(), Arc::clone(crowd));
        clients.spawn_blocking(move || {
            let (mut told, script) = (Told::default(), script(client));
            while !crowd.stop.load(Relaxed) {
                told.add(session(psqls(), &script, &crowd));
            }
            told
        });
    }
    clients
}

/// Looks until so many more were refused, and never sees the queue above its bound.
async fn full(fleet: &Fleet, crowd: &Crowd, refusals: usize) {
    let begun = crowd.refused.load(Relaxed);
    eventually("the queue is full", BOUND * short_or_long(2, 20), || {
        let there = fleet.number(THERE);
        assert!(there <= BOUND_OF_QUEUE, "I10: {there} tasks");
        std::future::ready((crowd.refused.load(Relaxed) >= begun + refusals).then_some(()))
    })
    .await;
}

/// Fills what is left, alone, to the first refusal: nothing that was rolled back or died holds any room.
async fn fill(fleet: &Fleet) -> Vec<TaskId> {
    let mut filled = Vec::new();
    loop {
        let block = Block::one("work".parse().unwrap(), r#"{"millis":2}"#, &SystemClock, &SystemRandom);
        let id = block.id.task(0);
        match fleet.scene.queue.submit(Submission::whole(vec![block])).await.unwrap().remove(0) {
            Submitted::Accepted => filled.push(id),
            Submitted::Rejected(no) => {
                assert_eq!(
                    (no.reason, no.depth, no.limit),
                    (Reason::QueueFull, BOUND_OF_QUEUE, BOUND_OF_QUEUE)
                );
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fleet.number(THERE), BOUND_OF_QUEUE, "all the room is of use again");
    filled
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_clients_and_a_crash_never_exceed_the_capacity() {
    let Some(mut fleet) = Fleet::start("a capacity on a server").await else { return };
    let capacity = Setting::Capacity(Some(BOUND_OF_QUEUE));
    fleet.scene.queue.set(QueueName::default(), None, capacity).await.unwrap();
    let plan = Plan { hands: 2, ..fleet.scene.plan("slow") };
    let drone = Process::start(&plan).ready().await;
    let crowd = Arc::<Crowd>::default();
    let stop = Stop(Arc::clone(&crowd));
    let mut clients = clients(&fleet, &crowd);
    let refusals = short_or_long(500, 50_000);
    full(&fleet, &crowd, refusals).await;
    kill_one(&mut fleet).await;
    eventually("the server answers", BOUND, || std::future::ready(fleet.sql(THERE).ok())).await;
    full(&fleet, &crowd, refusals).await;
    drop(stop);
    let mut told = Told::default();
    while let Some(client) = clients.join_next().await {
        told.add(client.unwrap());
    }
    assert!(drone.drained().await.success());
    told.accepted.extend(fill(&fleet).await);
    let there: HashSet<TaskId> = fleet.scene.tasks().await.into_iter().map(|view| view.id).collect();
    let ghosts = told.rolled_back.iter().filter(|id| there.contains(id)).count();
    assert_eq!(ghosts, 0, "rolled back, and there");
    assert!(!told.rolled_back.is_empty(), "some came to nothing");
    let perhaps = told.perhaps.iter().filter(|id| there.contains(id));
    fleet.scene.acknowledged(told.accepted.iter().chain(perhaps).copied());
    let drone = Process::start(&plan).ready().await;
    fleet.drain(&["slow"]).await;
    assert!(drone.drained().await.success());
    let (refused, undone) = (crowd.refused.load(Relaxed), told.rolled_back.len());
    fleet.check(&format!("pg_capacity, refused {refused}, rolled back {undone}")).await;
}
