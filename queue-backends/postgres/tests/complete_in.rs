//! A handler that completes its task in its own transaction: what it wrote there is there exactly once.

mod fixture;

use std::sync::Arc;

use skep_postgres::{CompleteIn, Error};
use skep_queue::{
    Holder, Outcome, Receipt,
    admin::State,
    testing::{
        Bench, TestClock,
        bench::{Handed, Verdict, retry},
    },
};
use sqlx::{Connection, PgConnection, Row};

/// A handler's context.
struct Run<'h>(&'h Handed);

impl Holder for Run<'_> {
    fn receipt(&self) -> Result<Receipt, String> {
        Ok(Receipt { task: self.0.id, claim: self.0.claim })
    }
}

/// A queue, and an account beside it in the same database.
async fn place() -> (Bench, PgConnection) {
    let url = fixture::database().await;
    let clock = TestClock::new();
    let mut connection = fixture::connection_to(&url).await;
    fixture::run(&mut connection, "create table public.effects (task uuid not null)").await;
    (Bench::new(fixture::open(&url, &clock), Arc::clone(&clock)), connection)
}

async fn effects(connection: &mut PgConnection) -> i64 {
    sqlx::query("select count(*) from public.effects").fetch_one(connection).await.unwrap().get(0)
}

async fn works(connection: &mut PgConnection, task: &Handed) {
    let work = sqlx::query("insert into public.effects values ($1)").bind(task.id.0);
    work.execute(connection).await.unwrap();
}

#[tokio::test]
async fn it_is_so_with_the_commit() {
    let (bench, mut connection) = place().await;
    let (block, drone) = (bench.accept(&bench.many("a", 3)).await, bench.drone("d").await);
    let tasks = drone.pump("a", 3).await;
    let mut transaction = connection.begin().await.unwrap();
    works(&mut transaction, &tasks[1]).await;
    Run(&tasks[1]).complete_in(&mut transaction, &"moved").await.unwrap();
    assert_eq!(bench.state(block.task(1)).await, State::Claimed, "nobody else sees it yet");
    transaction.commit().await.unwrap();
    let view = bench.view(block.task(1)).await;
    assert_eq!((view.state, view.result.unwrap().get()), (State::Completed, "\"moved\""));
    // The drone tells the same, or, had the handler failed after its commit, something else: too late.
    assert_eq!(drone.settle(&tasks[1], Outcome::done()).await, Verdict::Already);
    assert_eq!(drone.settle(&tasks[1], retry(1)).await, Verdict::Stale);
    drone.complete(&tasks[0]).await;
    drone.complete(&tasks[2]).await;
    assert_eq!((effects(&mut connection).await, bench.depth().await), (1, 0));
    assert_eq!(drone.beat(&[tasks[0].claim]).await.lost, [tasks[0].claim], "nothing is left of the claim");
}

#[tokio::test]
async fn a_rollback_takes_both_back() {
    let (bench, mut connection) = place().await;
    let (id, drone) = (bench.one("a").await, bench.drone("d").await);
    let task = drone.take("a").await;
    let mut transaction = connection.begin().await.unwrap();
    works(&mut transaction, &task).await;
    Run(&task).complete_in(&mut transaction, &()).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!((bench.state(id).await, effects(&mut connection).await), (State::Claimed, 0));
    drone.end(&task, retry(0)).await;
    let again = drone.take("a").await;
    let mut transaction = connection.begin().await.unwrap();
    works(&mut transaction, &again).await;
    Run(&again).complete_in(&mut transaction, &()).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!((bench.state(id).await, effects(&mut connection).await), (State::Completed, 1));
}

#[tokio::test]
async fn who_has_lost_the_claim_cannot_commit() {
    let (bench, mut connection) = place().await;
    bench.one("a").await;
    let (late, watcher) = (bench.drone("late").await, bench.drone("watcher").await);
    let old = late.take("a").await;
    bench.watch(&watcher, &[], 70).await;
    let new = watcher.take("a").await;
    let mut transaction = connection.begin().await.unwrap();
    works(&mut transaction, &old).await;
    let refused = Run(&old).complete_in(&mut transaction, &()).await;
    assert!(
        matches!(&refused, Err(Error::Refused(why)) if why.contains("not this handler's")),
        "{refused:?}"
    );
    // Whatever the handler makes of that: the server lets nothing of it through.
    let _ = transaction.commit().await;
    assert_eq!(effects(&mut connection).await, 0);
    let mut transaction = connection.begin().await.unwrap();
    works(&mut transaction, &new).await;
    Run(&new).complete_in(&mut transaction, &()).await.unwrap();
    let twice = Run(&new).complete_in(&mut transaction, &()).await;
    assert!(twice.is_err(), "once is all there is: {twice:?}");
    let _ = transaction.rollback().await;
    assert_eq!(effects(&mut connection).await, 0);
}
