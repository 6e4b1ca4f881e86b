//! 64 clients, half of them in transactions of their own, most of which come to nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use skep_postgres::{Config, PgQueue};
use skep_queue::{
    Block, BlockId, Clock, Payloads, Queue, Random, Reason, Submission, Submitted,
    clock::{SystemClock, SystemRandom},
};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;

use super::{CAPACITY, bounded, connect, fills_to_the_bound, ledger, refusal, run, server};

/// What an operator sets meanwhile: below the depth, too.
const CAPACITIES: [i64; 4] = [700, CAPACITY, 300, CAPACITY];
const CLIENTS: u64 = 64;
/// Of each client.
const ROUNDS: u64 = 25;

/// What the clients saw.
#[derive(Default)]
struct Seen {
    accepted: AtomicU64,
    full: AtomicU64,
    undone: AtomicU64,
}

/// Submits some tasks in a transaction; of three, two come to nothing.
async fn in_a_transaction(on: &mut PgConnection, round: u64, seen: &Seen) {
    let (mut transaction, tasks) = (on.begin().await.unwrap(), 1 + round % 4);
    for _ in 0..tasks {
        let submitted = sqlx::query("select skep.submit('a', notify => false)").execute(&mut *transaction);
        if let Err(error) = submitted.await {
            let (code, detail) = refusal(&error);
            assert_eq!((code.as_str(), detail["reason"].as_str()), ("SK001", Some("queue_full")), "{error}");
            assert!(CAPACITIES.contains(&detail["limit"].as_i64().unwrap()), "{detail}");
            seen.full.fetch_add(1, Ordering::Relaxed);
            return transaction.rollback().await.unwrap();
        }
    }
    if round.is_multiple_of(3) {
        transaction.commit().await.unwrap();
        seen.accepted.fetch_add(tasks, Ordering::Relaxed);
    } else {
        transaction.rollback().await.unwrap();
        seen.undone.fetch_add(tasks, Ordering::Relaxed);
    }
}

async fn by_the_client(queue: &PgQueue, round: u64, seen: &Seen) {
    let id = BlockId::new(&SystemClock, &SystemRandom);
    let block = Block::one("b".parse().unwrap(), "1", &SystemClock, &SystemRandom);
    let block = Block { id, payloads: Payloads::new(&vec!["1"; 1 + (round % 40) as usize]), ..block };
    match queue
        .submit(Submission { partial: round.is_multiple_of(2), blocks: vec![block.clone()] })
        .await
        .unwrap()[..]
    {
        [Submitted::Accepted] => seen.accepted.fetch_add(block.payloads.len() as u64, Ordering::Relaxed),
        [Submitted::Partly { accepted, .. }] => seen.accepted.fetch_add(accepted as u64, Ordering::Relaxed),
        [Submitted::Rejected(ref no)] if no.reason == Reason::QueueFull => {
            seen.full.fetch_add(1, Ordering::Relaxed)
        }
        ref other => panic!("{other:?}"),
    };
}

async fn client(url: String, number: u64, queue: Arc<PgQueue>, seen: Arc<Seen>) {
    let mut own = connect(&url).await;
    for round in number..number + ROUNDS {
        if number.is_multiple_of(2) {
            in_a_transaction(&mut own, round, &seen).await;
        } else {
            by_the_client(&queue, round, &seen).await;
        }
        if round % 4 < 2 {
            run(&mut own, "select public.finish()").await.unwrap();
        }
    }
}

/// Looks at the ledger until it is told to stop: how often, and the most tasks it saw.
async fn watch(url: String, over: Arc<AtomicBool>) -> (u64, i64) {
    let (mut own, mut looks, mut most) = (connect(&url).await, 0, 0);
    while !over.load(Ordering::Relaxed) {
        let (tasks, room, _, capacity) = ledger(&mut own).await.unwrap();
        assert!(tasks <= CAPACITY, "{tasks} tasks, after {looks} looks");
        assert_eq!(tasks + room, capacity, "the ledger is exact at every commit");
        (looks, most) = (looks + 1, most.max(tasks));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (looks, most)
}

/// Changes the capacity, again and again, until it is told to stop.
async fn operate(url: String, over: Arc<AtomicBool>) -> u64 {
    let (mut own, mut changes) = (connect(&url).await, 0);
    while !over.load(Ordering::Relaxed) {
        for capacity in CAPACITIES {
            run(&mut own, &format!("select skep.set_capacity('default', {capacity})")).await.unwrap();
            changes += 1;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    changes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_clients_never_exceed_it() {
    let server = server(&["fsync = off"]);
    let url = bounded(&server).await;
    let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let config = Config { url: url.clone(), schema: "skep".into(), application: "skep test".into() };
    let queue = Arc::new(PgQueue::new(&config, clock, random).unwrap());
    let (seen, over) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let (mut watcher, mut operator, mut clients) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
    watcher.spawn(watch(url.clone(), Arc::clone(&over)));
    operator.spawn(operate(url.clone(), Arc::clone(&over)));
    for number in 0..CLIENTS {
        clients.spawn(client(url.clone(), number, Arc::clone(&queue), Arc::clone(&seen)));
    }
    clients.join_all().await;
    over.store(true, Ordering::Relaxed);
    let (changes, looks) = (operator.join_all().await, watcher.join_all().await);
    let seen = [&seen.accepted, &seen.full, &seen.undone].map(|count| count.load(Ordering::Relaxed));
    println!("accepted, full, undone: {seen:?}; looks, most: {looks:?}; capacities: {changes:?}");
    assert!(seen.iter().all(|count| *count > 0), "every way was taken: {seen:?}");
    fills_to_the_bound(&mut connect(&url).await).await;
}
