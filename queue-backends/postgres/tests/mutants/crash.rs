//! What waits for the disk, and what a crash of the server makes of claims that did not: as if they had never been,
//! while their drones hold them.

use skep_queue::{
    Outcome,
    testing::{Bench, bench::Verdict},
};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::{
    checks::{heard, pump, text},
    fixture::{connection_to, run},
};

/// The claims that follow are those that a crash will undo.
const BEFORE: &str = "create table public.kept as select * from skep.tasks";
/// It empties what is unlogged, too.
const CRASH: &str = "truncate skep.claims, skep.tasks, skep.heard, skep.recovery; \
     insert into skep.tasks select * from public.kept";

/// The SQLSTATE with which it is refused; none when it is not.
async fn refusal(own: &mut PgConnection, sql: &str) -> Option<String> {
    let failed = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(own).await.err()?;
    failed.as_database_error().and_then(|error| error.code()).map(Into::into)
}

pub async fn what_a_crash_undid_is_its_drones_again(bench: Bench, url: String) {
    let (drone, mut own) = (bench.drone("one").await, connection_to(&url).await);
    bench.accept(&bench.many("a", 3)).await;
    run(&mut own, BEFORE).await;
    let tasks = drone.pump("a", 2).await;
    run(&mut own, CRASH).await;
    assert_eq!(refusal(&mut own, &pump(1, 3)).await.as_deref(), Some("SK010"), "it has not been asked");
    heard(&mut own).await;
    assert_eq!(refusal(&mut own, &pump(1, 3)).await.as_deref(), Some("SK011"), "another has not");
    for task in &tasks {
        drone.complete(task).await;
    }
    assert_ne!(text(&mut own, &pump(1, 3)).await, "none", "the third was nobody's");
}

pub async fn what_another_had_since_is_not_taken_back(bench: Bench, url: String) {
    let (drone, mut own) = (bench.drone("one").await, connection_to(&url).await);
    for _ in 0..2 {
        bench.one("a").await;
    }
    run(&mut own, BEFORE).await;
    let (given_back, held) = (drone.take("a").await, drone.take("a").await);
    run(&mut own, CRASH).await;
    let of = |id: &str, how: &str| format!("update skep.tasks set {how}, fence = 1 where block = '{id}'");
    run(&mut own, of(&given_back.block.to_string(), "held = false")).await;
    run(&mut own, of(&held.block.to_string(), "held = true, claim = gen_random_uuid()")).await;
    for task in [given_back, held] {
        assert_eq!(drone.settle(&task, Outcome::done()).await, Verdict::Stale);
    }
}

pub async fn what_a_crash_undid_is_settled_again(bench: Bench, url: String) {
    let (drone, mut own) = (bench.drone("one").await, connection_to(&url).await);
    bench.one("a").await;
    let task = drone.take("a").await;
    run(&mut own, BEFORE).await;
    assert_eq!(drone.settle_lazily(&task, Outcome::done()).await, Verdict::Accepted);
    run(&mut own, "truncate skep.finished").await;
    run(&mut own, CRASH).await;
    assert_eq!(bench.backend.flush(drone.incarnation).await, Ok(false));
    drone.complete(&task).await;
}

pub async fn what_is_accepted_waits_for_the_disk(bench: Bench, url: String) {
    bench.drone("gone").await;
    let (mut own, claim) = (connection_to(&url).await, format!("({})", pump(1, 1)));
    let durable = claim.replace("false) p", "true) p");
    heard(&mut own).await;
    let beat = "skep.beat('00000001-0000-7000-8000-000000000000', 'default', 1, '{}', '{}', '{}', false, ";
    let (idle, flush) = (format!("{beat} false)"), format!("{beat} true)"));
    let one = "array[gen_random_uuid()], array[gen_random_uuid()], '{1}'";
    let follows = format!(
        "skep.settle('{{}}', '{{}}', '{{}}', '{{}}', {one}, '{{1}}', '{{null}}', '{{0}}', '{{null}}', '{{null}}', true)"
    );
    for (call, waits) in [
        (&*claim, "on"),
        (&*idle, "on"),
        (&*idle, "off"),
        (&*flush, "on"),
        (&*claim, "off"),
        (&*durable, "on"),
        ("skep.adopt(d.incarnation, null, '{}', '{}', '{}', '{}', true) from skep.drones d", "on"),
        ("skep.settle('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', false)", "on"),
        ("skep.settle('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', true)", "off"),
        (&*follows, "on"),
        ("skep.flush(d.incarnation) from skep.drones d", "on"),
        ("skep.submit_blocks(false, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')", "on"),
        ("skep.take_for_gone(d.incarnation) from skep.drones d", "on"),
        ("skep.ring()", "off"),
    ] {
        run(&mut own, format!("set synchronous_commit = on; begin; select {call}")).await;
        assert_eq!(text(&mut own, "current_setting('synchronous_commit')").await, waits, "{call}");
        run(&mut own, "commit").await;
    }
    // Whoever is told that something had been settled before waits for that.
    run(&mut own, "begin; select skep.settle('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', false)").await;
    assert_ne!(text(&mut own, "coalesce(pg_current_xact_id_if_assigned()::text, 'none')").await, "none");
}
