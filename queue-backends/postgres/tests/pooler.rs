//! The suite of the contract through PgBouncer in transaction mode, as a role that may do no more than it must.

mod fixture;

use std::sync::{Arc, LazyLock};

use fixture::{connection, database, open_by, queue, run, server};
use skep_pgserver::Pooler;
use skep_queue::{
    Admin,
    testing::{Bench, TestClock, bench::Opening},
};
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use tokio::sync::OnceCell;

const ROLE: &str = "fleet";

/// None where there is no PgBouncer: then the suite runs without one, which is said.
static POOLER: LazyLock<Option<Pooler>> = LazyLock::new(|| started(&[]));
static MEMBER: OnceCell<()> = OnceCell::const_new();

fn started(settings: &[&str]) -> Option<Pooler> {
    let pooler = Pooler::start(server(), settings, &[ROLE]).expect("it starts");
    if pooler.is_none() {
        fixture::skipped("what needs a pooler: no pgbouncer");
    }
    pooler
}

/// The URLs of a database with an empty queue: for the role through the pooler, and for the superuser.
async fn places(pooler: Option<&Pooler>) -> (String, String) {
    let direct = database().await;
    MEMBER
        .get_or_init(|| async {
            let sql =
                format!("create role {ROLE} login in role skep_submit, skep_drone, skep_view, skep_admin");
            run(&mut connection("postgres").await, sql).await;
        })
        .await;
    let name = direct.split(['/', '?']).nth(3).expect("a database");
    let way = pooler.map_or_else(|| server().url_as(ROLE, name), |pooler| pooler.url_as(ROLE, name));
    (way, direct)
}

async fn fresh() -> Bench {
    let clock = TestClock::new();
    let (way, direct) = places(POOLER.as_ref()).await;
    let way = format!("{way}&pooler=transaction");
    let again = (way.clone(), direct.clone(), Arc::clone(&clock));
    let reopen = move || -> Opening {
        let (way, direct, clock) = again.clone();
        Box::pin(async move { open_by(&way, &direct, &clock) })
    };
    Bench::new(open_by(&way, &direct, &clock), clock).reopening(reopen)
}

skep_queue::conformance!(crate::fresh().await);

/// Calls by several at once, so that each may meet another server behind the pooler.
async fn calls(way: &str) {
    let clock = TestClock::new();
    let queues: Vec<_> = (0..4).map(|_| Arc::new(queue(way, &clock))).collect();
    for round in 0..8 {
        let mut calls = tokio::task::JoinSet::new();
        for queue in &queues {
            let queue = Arc::clone(queue);
            calls.spawn(async move { queue.queues().await.map(|_| ()).and(queue.drones().await.map(drop)) });
        }
        for done in calls.join_all().await {
            done.unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
    }
}

#[tokio::test]
async fn a_pooler_is_found_by_what_it_refuses() {
    let Some(pooler) = POOLER.as_ref() else { return };
    calls(&places(Some(pooler)).await.0).await;
}

#[tokio::test]
async fn a_pooler_that_refuses_nothing_is_found_all_the_same() {
    let Some(pooler) = started(&["ignore_startup_parameters = options"]) else { return };
    calls(&places(Some(&pooler)).await.0).await;
}

#[tokio::test]
async fn a_call_leaves_nothing_behind_a_pooler() {
    let Some(pooler) = POOLER.as_ref() else { return };
    let (way, _) = places(Some(pooler)).await;
    calls(&format!("{way}&pooler=transaction")).await;
    let options: PgConnectOptions = way.parse().expect("a URL");
    let mut plain = options.extra_float_digits(None).connect().await.expect("a connection");
    let seen = sqlx::raw_sql("select 1 from pg_prepared_statements").fetch_all(&mut plain).await;
    assert_eq!(seen.expect("it is asked").len(), 0, "no statement was prepared");
}
