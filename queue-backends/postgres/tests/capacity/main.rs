//! The bound is exact under any concurrency, in plain SQL inside transactions too, and after a crash of the
//! server. A naive count in the same place overshoots.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod crash;
mod storm;

use std::time::Duration;

use skep_pgserver::Server;
use skep_postgres::schema;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

const CAPACITY: i64 = 1000;
/// Tasks that are there, room that is left, cells, and the capacity, at one moment.
const LEDGER: &str = "select (select coalesce(sum(n), 0)::bigint from skep.tasks), \
     (select coalesce(sum(room), 0)::bigint from skep.cells), (select count(*) from skep.cells), \
     (select capacity from skep.queues where name = 'default')";
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

async fn ledger(on: &mut PgConnection) -> Result<(i64, i64, i64, i64), sqlx::Error> {
    let row = sqlx::query(LEDGER).fetch_one(on).await?;
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))
}

/// What a refusal says: its SQLSTATE, and its DETAIL.
fn refusal(error: &sqlx::Error) -> (String, serde_json::Value) {
    let error = error.as_database_error().unwrap();
    let detail = error.downcast_ref::<sqlx::postgres::PgDatabaseError>().detail().unwrap_or("null");
    (error.code().unwrap().into_owned(), serde_json::from_str(detail).unwrap())
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

#[tokio::test]
async fn a_bound_counts_what_was_under_way_when_it_was_set() {
    let server = server(&["fsync = off"]);
    let url = bounded(&server).await;
    let (mut own, mut other) = (connect(&url).await, connect(&url).await);
    run(&mut own, "select skep.set_capacity('default', null)").await.unwrap();
    run(&mut own, "begin; select skep.submit_many('a', array_fill('1'::jsonb, array[3]))").await.unwrap();
    let (set, ()) = tokio::join!(run(&mut other, "select skep.set_capacity('default', 3)"), async {
        until_waiting(&url).await;
        run(&mut own, "commit").await.unwrap();
    });
    set.unwrap();
    assert_eq!(ledger(&mut other).await.unwrap(), (3, 0, 3, 3));
    // A transaction that began before the bound was set does not miss it.
    run(&mut own, "begin isolation level repeatable read; select 1 from skep.queues").await.unwrap();
    run(&mut other, "select skep.set_capacity('default', 2)").await.unwrap();
    assert_eq!(refusal(&run(&mut own, "select skep.submit('a')").await.unwrap_err()).0, "40001");
}

/// Until somebody waits for an advisory lock.
async fn until_waiting(url: &str) {
    let mut own = connect(url).await;
    let waits = "select exists (select from pg_locks where locktype = 'advisory' and not granted)";
    for _ in 0..2000 {
        if sqlx::query_scalar(waits).fetch_one(&mut own).await.unwrap() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nobody waits");
}

#[tokio::test]
async fn what_ends_waits_for_nobody() {
    let server = server(&["fsync = off"]);
    let url = bounded(&server).await;
    let (mut own, mut other) = (connect(&url).await, connect(&url).await);
    run(&mut own, "select skep.submit('a')").await.unwrap();
    run(&mut other, "begin; select 1 from skep.cells for update").await.unwrap();
    run(&mut own, "set lock_timeout = '5s'; select public.finish()").await.unwrap();
    assert_eq!(ledger(&mut own).await.unwrap(), (0, CAPACITY, 17, CAPACITY));
    // What others hold is not there for a submit, which says so.
    let big = "select skep.submit_many('a', array_fill('1'::jsonb, array[2]))";
    let refused = run(&mut own, big).await.unwrap_err();
    assert_eq!(refusal(&refused).0, "SK001");
    assert!(refused.to_string().contains("open transactions hold"), "{refused}");
    run(&mut other, "rollback").await.unwrap();
    run(&mut own, big).await.unwrap();
}
