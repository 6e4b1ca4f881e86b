//! Postgres empties the ledger when it recovers from a crash.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::{CAPACITY, bounded, connect, fills_to_the_bound, ledger, refusal, run, server};

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
    let (tasks, _, cells, _) = ledger(&mut own).await.unwrap();
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
    let (tasks, room, ..) = ledger(&mut own).await.unwrap();
    assert_eq!((tasks, room), (501, CAPACITY - 501), "a submit in plain SQL counted");
    run(&mut own, "select public.finish()").await.unwrap();
    let (tasks, room, ..) = ledger(&mut own).await.unwrap();
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
    let (tasks, room, ..) = ledger(&mut own).await.unwrap();
    assert!(tasks < 500 && tasks + room == CAPACITY, "a settle counted: {tasks} tasks, {room} room");
    fills_to_the_bound(&mut own).await;
}
