//! What the contract has no word for: what clients do to each other at one moment, and what a crash leaves.
//! Each check breaks on a mutant.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use skep_queue::{admin::Setting, testing::Bench};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::task::JoinSet;

use crate::{
    crash::{
        what_a_crash_undid_is_its_drones_again, what_a_crash_undid_is_settled_again,
        what_another_had_since_is_not_taken_back, what_is_accepted_waits_for_the_disk,
    },
    fixture::{connection_to, run},
};

/// Gets an empty queue, and the URL of its database.
pub type CheckFn = fn(Bench, String) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! checks {
    ($($check:ident)*) => {
        pub const CHECKS: &[(&str, CheckFn)] = &[
            $((stringify!($check), |bench, url| Box::pin($check(bench, url))),)*
        ];
    };
}

checks! {
    one_claim_twice_at_once_claims_once
    whoever_claims_waits_for_nobody
    what_lies_before_a_place_is_found
    the_rest_of_a_block_is_at_its_place
    a_late_beat_is_in_time
    two_rescuers_lose_a_task_once
    a_claim_of_a_drone_that_nobody_knows_is_watched
    a_claim_that_is_held_is_remembered
    whoever_submits_waits_for_nobody
    a_debt_is_taken_from_by_one
    a_bound_counts_what_is_under_way
    what_ends_waits_for_nobody
    what_enters_after_a_crash_is_counted
    what_ends_after_a_crash_is_counted
    blocks_of_one_that_have_ended_exist
    a_body_goes_with_the_last_of_two_at_once
    what_is_accepted_waits_for_the_disk
    what_a_crash_undid_is_its_drones_again
    what_a_crash_undid_is_settled_again
    what_another_had_since_is_not_taken_back
}

/// A claim of tasks of type a by a drone of its own, in SQL; it answers their blocks.
pub fn pump(claim: u32, room: u32) -> String {
    pump_from("null, null, null", claim, room)
}

/// The drones of such claims have said that they hold nothing.
pub async fn heard(own: &mut PgConnection) {
    let adopt = "select skep.adopt(format('%s-0000-7000-8000-000000000000', lpad(n::text, 8, '0'))::uuid, null, \
         '{}', '{}', '{}', '{}', true) from generate_series(1, 4) n";
    run(own, adopt).await;
}

/// The same from a place on: a priority, a due time and an order of submission.
fn pump_from(place: &str, claim: u32, room: u32) -> String {
    format!(
        "select coalesce(string_agg(p.block::text, ' '), 'none') from (select {place}) as f(priority, run, seq), \
         skep.pump('{claim:08}-0000-7000-8000-000000000000', '{claim:08}-0000-7000-8000-000000000001', 'default', \
         '{{a}}', '{{{room}}}', array[f.priority::int::smallint], array[f.run::text::timestamptz], \
         array[f.seq::text::bigint], false) p"
    )
}

pub async fn text(own: &mut PgConnection, sql: &str) -> String {
    sqlx::query_scalar(AssertSqlSafe(format!("select ({sql})::text")))
        .fetch_one(own)
        .await
        .expect("an answer")
}

/// Somebody who waits for no lock, but is told so.
async fn hasty(url: &str) -> PgConnection {
    let mut own = connection_to(url).await;
    run(&mut own, "set lock_timeout = '1s'").await;
    own
}

/// Runs it at the same time as something that is not yet committed, until it ends or waits for that.
async fn beside(url: &str, sql: &str) -> JoinSet<String> {
    let (mut own, mut looker, sql) = (connection_to(url).await, connection_to(url).await, sql.to_owned());
    let (ended, mut second) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    let end = Arc::clone(&ended);
    second.spawn(async move {
        let answer = text(&mut own, &sql).await;
        end.store(true, Ordering::Release);
        answer
    });
    let waits = "select exists (select from pg_stat_activity where datname = current_database() \
         and wait_event_type = 'Lock')";
    while !ended.load(Ordering::Acquire) && text(&mut looker, waits).await == "false" {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    second
}

/// What it answered, now that the other has committed.
async fn answer(mut second: JoinSet<String>) -> String {
    second.join_next().await.and_then(Result::ok).expect("an answer")
}

async fn one_claim_twice_at_once_claims_once(bench: Bench, url: String) {
    bench.one("a").await;
    bench.one("a").await;
    let mut own = connection_to(&url).await;
    heard(&mut own).await;
    run(&mut own, "begin").await;
    let first = text(&mut own, &pump(1, 1)).await;
    let second = beside(&url, &pump(1, 1)).await;
    run(&mut own, "commit").await;
    assert_eq!(answer(second).await, first);
}

async fn whoever_claims_waits_for_nobody(bench: Bench, url: String) {
    for (claim, promotes) in [(1, None), (3, Some(Duration::from_secs(1)))] {
        bench.set(Setting::PromoteAfter(promotes)).await;
        bench.one("a").await;
        bench.one("a").await;
        let mut own = connection_to(&url).await;
        heard(&mut own).await;
        run(&mut own, "begin").await;
        let first = text(&mut own, &pump(claim, 1)).await;
        let second = text(&mut hasty(&url).await, &pump(claim + 1, 1)).await;
        assert!(first != "none" && second != "none" && first != second, "{first} and {second}");
        run(&mut own, "commit").await;
    }
}

async fn what_lies_before_a_place_is_found(bench: Bench, url: String) {
    bench.one("a").await;
    let (far, mut own) = (pump_from("3, 'infinity', 9", 1, 1), connection_to(&url).await);
    heard(&mut own).await;
    assert!(text(&mut own, &far).await != "none");
}

async fn the_rest_of_a_block_is_at_its_place(bench: Bench, url: String) {
    let block = bench.accept(&bench.many("a", 2)).await;
    bench.one("a").await;
    let mut own = connection_to(&url).await;
    heard(&mut own).await;
    text(&mut own, &pump(1, 1)).await;
    let last = text(&mut own, "select format('3, %L, %s', run_at, seq) from skep.tasks where held").await;
    assert_eq!(text(&mut own, &pump_from(&last, 2, 1)).await, block.to_string());
}

async fn a_late_beat_is_in_time(bench: Bench, url: String) {
    let (drone, mut own) = (bench.drone("late").await, connection_to(&url).await);
    bench.one("a").await;
    let task = drone.take("a").await;
    let before = text(&mut own, "select number from skep.drones").await;
    drone.beat(&[task.claim]).await;
    run(&mut own, format!("select skep.rescue(incarnation, {before}) from skep.drones")).await;
    assert_eq!(bench.view(task.id).await.losses, 0);
}

async fn two_rescuers_lose_a_task_once(bench: Bench, url: String) {
    let (drone, mut own) = (bench.drone("lost").await, connection_to(&url).await);
    bench.one("a").await;
    drone.take("a").await;
    let rescue = "select skep.rescue(incarnation, number) from skep.drones";
    run(&mut own, format!("begin; {rescue}")).await;
    let second = beside(&url, rescue).await;
    run(&mut own, "commit").await;
    let _ = answer(second).await;
    assert_eq!(text(&mut own, "select count(*) from skep.history").await, "1");
    assert_eq!(text(&mut own, "select sum(n) from skep.claims").await, "0");
}

async fn a_claim_of_a_drone_that_nobody_knows_is_watched(bench: Bench, url: String) {
    let (drone, mut own) = (bench.drone("gone").await, connection_to(&url).await);
    bench.one("a").await;
    drone.take("a").await;
    run(&mut own, "delete from skep.drones; select skep.maintain()").await;
    assert_eq!(text(&mut own, "select count(*) from skep.drones").await, "1");
}

async fn a_claim_that_is_held_is_remembered(bench: Bench, url: String) {
    let (drone, mut own) = (bench.drone("slow").await, connection_to(&url).await);
    bench.one("a").await;
    let task = drone.take("a").await;
    bench.pass(7200);
    drone.beat(&[task.claim]).await;
    run(&mut own, "select skep.maintain()").await;
    assert!(drone.beat(&[task.claim]).await.lost.is_empty());
}

async fn whoever_submits_waits_for_nobody(_: Bench, url: String) {
    let mut own = connection_to(&url).await;
    run(&mut own, "select skep.set_capacity('default', 100)").await;
    run(&mut own, "begin; select 1 from skep.cells where cell < 15 for update").await;
    let mut other = hasty(&url).await;
    for _ in 0..5 {
        run(&mut other, "select skep.submit('a')").await;
    }
}

async fn a_debt_is_taken_from_by_one(_: Bench, url: String) {
    let mut own = connection_to(&url).await;
    run(&mut own, "select skep.submit('a'); select skep.set_capacity('default', 10)").await;
    // As after a capacity was lowered, and tasks have ended since: room for two.
    run(
        &mut own,
        "update skep.cells set room = case cell when 0 then -3 when 1 then 3 when 2 then 2 else 0 end",
    )
    .await;
    let two = "select count(*) from skep.submit_many('a', '{1,2}')";
    run(&mut own, format!("begin; {two}")).await;
    let refused = sqlx::query(two).execute(&mut connection_to(&url).await).await;
    assert_eq!(
        refused.expect_err("there is no room").as_database_error().and_then(|e| e.code()).as_deref(),
        Some("SK001")
    );
}

async fn a_bound_counts_what_is_under_way(_: Bench, url: String) {
    let mut own = connection_to(&url).await;
    run(&mut own, "select skep.submit('a')").await;
    run(&mut own, "begin; select skep.submit('a')").await;
    let bound = beside(&url, "select skep.set_capacity('default', 5)").await;
    run(&mut own, "commit").await;
    answer(bound).await;
    assert_eq!(text(&mut own, "select sum(room) from skep.cells").await, "3");
}

async fn what_ends_waits_for_nobody(bench: Bench, url: String) {
    let mut own = connection_to(&url).await;
    let id = bench.one("a").await;
    run(&mut own, "select skep.set_capacity('default', 5)").await;
    run(&mut own, "begin; select 1 from skep.cells for update").await;
    assert_eq!(text(&mut hasty(&url).await, &format!("select skep.cancel('{id}')")).await, "done");
}

/// A crash empties what is unlogged.
const CRASH: &str = "select skep.set_capacity('default', 5); truncate skep.cells";

async fn what_enters_after_a_crash_is_counted(bench: Bench, url: String) {
    let mut own = connection_to(&url).await;
    bench.one("a").await;
    run(&mut own, CRASH).await;
    bench.one("a").await;
    assert_eq!(text(&mut own, "select sum(room) from skep.cells").await, "3");
}

async fn what_ends_after_a_crash_is_counted(bench: Bench, url: String) {
    let (drone, mut own) = (bench.drone("d").await, connection_to(&url).await);
    bench.one("a").await;
    let task = drone.take("a").await;
    run(&mut own, CRASH).await;
    drone.complete(&task).await;
    assert_eq!(text(&mut own, "select sum(room) from skep.cells").await, "5");
}

async fn blocks_of_one_that_have_ended_exist(bench: Bench, _: String) {
    let (drone, blocks) = (bench.drone("d").await, [bench.many("a", 1), bench.many("a", 1)]);
    bench.submit_all(&blocks, false).await;
    for task in drone.pump("a", 2).await {
        drone.complete(&task).await;
    }
    bench.submit(&blocks[0]).await;
    bench.submit_all(&blocks, false).await;
    assert_eq!(bench.depth().await, 0);
}

async fn a_body_goes_with_the_last_of_two_at_once(bench: Bench, url: String) {
    let mut own = connection_to(&url).await;
    run(&mut own, "select skep.change('default', null, 'retention', 0)").await;
    let block = bench.accept(&bench.many("a", 2)).await;
    let cancel = |ordinal: u8| format!("select skep.cancel('{}')", block.task(ordinal));
    heard(&mut own).await;
    // Two rows, of which each ends alone.
    for claim in [1, 2] {
        text(&mut own, &pump(claim, 1)).await;
    }
    run(&mut own, "update skep.tasks set held = false").await;
    run(&mut own, format!("begin; {}", cancel(0))).await;
    let second = beside(&url, &cancel(1)).await;
    run(&mut own, "commit").await;
    assert_eq!(answer(second).await, "done");
    assert_eq!(text(&mut own, "select count(*) from skep.bodies").await, "0");
}
