//! The bound is exact under any concurrency, in plain SQL inside transactions too, and after a crash of the
//! server. A naive count in the same place overshoots.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use skep_pgserver::Server;
use skep_postgres::{Config, PgQueue, schema};
use skep_queue::{
    Block, BlockId, Clock, Payloads, Queue, Random, Reason, Submission, Submitted,
    clock::{SystemClock, SystemRandom},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::task::JoinSet;

const CAPACITY: i64 = 1000;
const CLIENTS: u64 = 64;
/// Of each client.
const ROUNDS: u64 = 25;
/// Tasks that are there, room that is left, and cells, at one moment.
const LEDGER: &str = "select (select coalesce(sum(n), 0)::bigint from skep.tasks), \
     (select coalesce(sum(room), 0)::bigint from skep.cells), (select count(*) from skep.cells)";
/// Ends some task that waits, as a settle does.
const FINISH: &str = "create function public.finish() returns void language plpgsql set search_path = \
     pg_catalog, skep as $$ declare v_row record; begin \
     perform skep.stand(array(select id from lanes)); \
     select * into v_row from tasks limit 1 for update skip locked; \
     if found then perform skep.end_part(v_row.block, v_row.low, v_row.live, 3::smallint, 1::smallint, \
     0::smallint, 0::smallint, null, null, null, null, null); end if; end $$";
/// What anybody would write first.
const NAIVE: &str = "create table public.naive (id int generated always as identity); \
     create function public.naive() returns boolean language plpgsql as $$ begin \
     if (select count(*) from public.naive) >= 1000 then return false; end if; \
     insert into public.naive default values; return true; end $$";

/// What the clients saw.
#[derive(Default)]
struct Seen {
    accepted: AtomicU64,
    full: AtomicU64,
    undone: AtomicU64,
}

fn server(durable: &[&str]) -> Server {
    Server::start(&[&["max_connections = 200", "restart_after_crash = on"], durable].concat()).unwrap()
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn run(on: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(on).await.map(drop)
}

/// A queue with a bound.
async fn bounded(server: &Server) -> String {
    let url = server.url("postgres");
    let mut own = connect(&url).await;
    schema::up(&mut own, "skep").await.unwrap();
    run(&mut own, &format!("select skep.set_capacity('default', {CAPACITY})")).await.unwrap();
    run(&mut own, FINISH).await.unwrap();
    run(&mut own, NAIVE).await.unwrap();
    url
}

async fn ledger(on: &mut PgConnection) -> Result<(i64, i64, i64), sqlx::Error> {
    let row = sqlx::query(LEDGER).fetch_one(on).await?;
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
}

/// What a refusal says: its SQLSTATE, and its DETAIL.
fn refusal(error: &sqlx::Error) -> (String, serde_json::Value) {
    let error = error.as_database_error().unwrap();
    let detail = error.downcast_ref::<sqlx::postgres::PgDatabaseError>().detail().unwrap_or("null");
    (error.code().unwrap().into_owned(), serde_json::from_str(detail).unwrap())
}

/// Submits some tasks in a transaction; of three, two come to nothing.
async fn in_a_transaction(on: &mut PgConnection, round: u64, seen: &Seen) {
    let (mut transaction, tasks) = (on.begin().await.unwrap(), 1 + round % 4);
    for _ in 0..tasks {
        let submitted = sqlx::query("select skep.submit('a', notify => false)").execute(&mut *transaction);
        if let Err(error) = submitted.await {
            let (code, detail) = refusal(&error);
            assert_eq!((code.as_str(), detail["reason"].as_str()), ("SK001", Some("queue_full")), "{error}");
            assert!(detail["limit"] == CAPACITY && detail["retry_after"] == 1, "{detail}");
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
    match queue.submit(Submission { partial: round % 2 == 0, blocks: vec![block.clone()] }).await.unwrap()[..]
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
        let (tasks, room, _) = ledger(&mut own).await.unwrap();
        assert!(tasks <= CAPACITY, "{tasks} tasks, after {looks} looks");
        assert_eq!(tasks + room, CAPACITY, "the ledger is exact at every commit");
        (looks, most) = (looks + 1, most.max(tasks));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (looks, most)
}

/// Fills what is left one by one, and is refused exactly at the bound.
async fn fills_to_the_bound(own: &mut PgConnection) {
    let (tasks, ..) = ledger(own).await.unwrap();
    for _ in tasks..CAPACITY {
        run(own, "select skep.submit('a')").await.unwrap();
    }
    let (code, detail) = refusal(&run(own, "select skep.submit('a')").await.unwrap_err());
    assert_eq!((code.as_str(), &detail["depth"], &detail["limit"]), ("SK001", &1000.into(), &1000.into()));
    assert_eq!(ledger(own).await.unwrap().0, CAPACITY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_clients_never_exceed_it() {
    let server = server(&["fsync = off"]);
    let url = bounded(&server).await;
    let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let config = Config { url: url.clone(), schema: "skep".into(), application: "skep test".into() };
    let queue = Arc::new(PgQueue::new(&config, clock, random).unwrap());
    let (seen, over) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let (mut watcher, mut clients) = (JoinSet::new(), JoinSet::new());
    watcher.spawn(watch(url.clone(), Arc::clone(&over)));
    for number in 0..CLIENTS {
        clients.spawn(client(url.clone(), number, Arc::clone(&queue), Arc::clone(&seen)));
    }
    clients.join_all().await;
    over.store(true, Ordering::Relaxed);
    let looks = watcher.join_all().await;
    let seen = [&seen.accepted, &seen.full, &seen.undone].map(|count| count.load(Ordering::Relaxed));
    println!("accepted, full, undone: {seen:?}; looks, most: {looks:?}");
    assert!(seen.iter().all(|count| *count > 0), "every way was taken: {seen:?}");
    fills_to_the_bound(&mut connect(&url).await).await;
}

/// Submits twice at one moment, with room for one; what is there in the end.
async fn two_at_once(url: &str, submit: &str, count: &str) -> i64 {
    let (mut first, mut second) = (connect(url).await, connect(url).await);
    run(&mut first, "begin").await.unwrap();
    run(&mut second, "begin").await.unwrap();
    run(&mut first, submit).await.unwrap();
    run(&mut second, submit).await.unwrap();
    run(&mut first, "commit").await.unwrap();
    run(&mut second, "commit").await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(count.to_owned())).fetch_one(&mut first).await.unwrap()
}

#[tokio::test]
async fn a_naive_count_overshoots_where_the_ledger_does_not() {
    let server = server(&["fsync = off"]);
    let url = bounded(&server).await;
    let mut own = connect(&url).await;
    run(&mut own, "insert into naive select from generate_series(1, 999)").await.unwrap();
    run(&mut own, "select skep.submit_many('a', array_fill('1'::jsonb, array[999]))").await.unwrap();
    let naive = two_at_once(&url, "select naive()", "select count(*) from naive").await;
    assert_eq!(naive, CAPACITY + 1, "the control");
    let exact = "select sum(n)::bigint from skep.tasks";
    assert_eq!(two_at_once(&url, "select skep.try_submit('a')", exact).await, CAPACITY);
}

/// Waits until the server takes connections again.
async fn back(url: &str) -> PgConnection {
    for _ in 0..600 {
        if let Ok(own) = PgConnection::connect(url).await {
            return own;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the server does not come back");
}

/// Kills one backend in the middle of its transaction: all of them end, and the ledger is empty.
async fn crash(url: &str) -> PgConnection {
    let (mut victim, mut other) = (connect(url).await, connect(url).await);
    run(&mut victim, "begin; select skep.submit_many('a', array_fill('1'::jsonb, array[200]))")
        .await
        .unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut victim).await.unwrap();
    let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
    for _ in 0..600 {
        if run(&mut other, "select 1").await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut own = back(url).await;
    let (tasks, _, cells) = ledger(&mut own).await.unwrap();
    assert_eq!((tasks, cells), (500, 0), "the tasks are there, the ledger is not");
    own
}

#[tokio::test]
async fn after_a_crash_whoever_comes_first_counts() {
    let server = server(&[]);
    let url = bounded(&server).await;
    let mut own = connect(&url).await;
    run(&mut own, "select skep.submit_many('a', array_fill('1'::jsonb, array[500]))").await.unwrap();

    let mut own = crash(&url).await;
    let stricter = "begin isolation level repeatable read; select skep.submit('a')";
    let (code, _) = refusal(&run(&mut own, stricter).await.unwrap_err());
    assert_eq!(code, "55000", "a count needs to see what is committed");
    run(&mut own, "rollback").await.unwrap();
    run(&mut own, "select skep.submit('a')").await.unwrap();
    let (tasks, room, _) = ledger(&mut own).await.unwrap();
    assert_eq!((tasks, room), (501, CAPACITY - 501), "a submit in plain SQL counted");
    run(&mut own, "select public.finish()").await.unwrap();
    let (tasks, room, _) = ledger(&mut own).await.unwrap();
    assert_eq!(tasks + room, CAPACITY);
    run(
        &mut own,
        "select skep.submit_many('a', array_fill('1'::jsonb, array[500 - (select \
        coalesce(sum(n), 0)::int from skep.tasks)]))",
    )
    .await
    .unwrap();

    let mut own = crash(&url).await;
    run(&mut own, "select public.finish()").await.unwrap();
    let (tasks, room, _) = ledger(&mut own).await.unwrap();
    assert!(tasks < 500 && tasks + room == CAPACITY, "a settle counted: {tasks} tasks, {room} room");
    fills_to_the_bound(&mut own).await;
}
