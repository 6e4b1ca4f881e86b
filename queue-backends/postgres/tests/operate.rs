//! What the suite of the contract cannot see: many rescuers at once, the days of terminal tasks, what readers
//! may see, and the doorbell between processes.

mod fixture;

use std::{sync::Arc, time::Duration};

use fixture::{bare, connection_to, database, fresh, open, run};
use skep_postgres::{Config, PgQueue, schema};
use skep_queue::{
    Admin, Block, Demand, Due, Incarnation, Outcome, Pump, Queue, QueueName, Submission, Submitted,
    admin::{Act, Setting},
    clock::{SystemClock, SystemRandom},
    testing::{
        Bench, TestClock,
        bench::{kind, retry},
    },
};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use tokio::{task::JoinSet, time::timeout};

const BOUND: Duration = Duration::from_secs(20);

/// A bench, and a connection to its database.
async fn bench() -> (Bench, PgConnection, String) {
    let (url, clock) = (database().await, TestClock::new());
    (Bench::new(open(&url, &clock), clock), connection_to(&url).await, url)
}

async fn number(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.expect(sql)
}

#[tokio::test]
async fn ten_rescuers_lose_a_task_once() {
    let (bench, mut own, url) = bench().await;
    let drone = bench.drone("lost").await;
    for _ in 0..5 {
        bench.accept(&bench.many("a", 20)).await;
        drone.pump("a", 20).await;
    }
    let silent = sqlx::query("select incarnation::text, number from skep.drones").fetch_one(&mut own).await;
    let silent = silent.expect("it is known");
    let (id, beat): (String, i64) = (silent.get(0), silent.get(1));
    assert_eq!(number(&mut own, "select sum(n) from skep.claims").await, 100);
    let mut rescuers = JoinSet::new();
    for _ in 0..10 {
        let (url, sql) = (url.clone(), format!("select skep.rescue('{id}', {beat})"));
        rescuers.spawn(async move { run(&mut connection_to(&url).await, sql).await });
    }
    rescuers.join_all().await;
    let lost = "select count(*) from skep.tasks where losses = 1 and not held and claim is not null";
    assert_eq!(number(&mut own, lost).await, 5);
    assert_eq!(number(&mut own, "select count(*) from skep.history where cause = 'lost'").await, 5);
    assert_eq!(number(&mut own, "select count(*) from skep.drones").await, 0);
}

#[tokio::test]
async fn a_late_beat_is_in_time() {
    let (bench, mut own, _) = bench().await;
    let drone = bench.drone("late").await;
    bench.one("a").await;
    let task = drone.take("a").await;
    let before = number(&mut own, "select number from skep.drones").await;
    drone.beat(&[task.claim]).await;
    run(&mut own, format!("select skep.rescue(incarnation, {before}) from skep.drones")).await;
    assert_eq!(number(&mut own, "select count(*) from skep.tasks where held and losses = 0").await, 1);
    drone.complete(&task).await;
}

#[tokio::test]
async fn a_claim_of_a_drone_that_nobody_knows_is_watched() {
    let (bench, mut own, _) = bench().await;
    let drone = bench.drone("gone").await;
    let id = bench.one("a").await;
    drone.take("a").await;
    run(&mut own, "delete from skep.drones").await;
    let watcher = bench.drone("watcher").await;
    bench.watch(&watcher, &[], 140).await;
    assert_eq!(bench.view(id).await.losses, 1);
}

const DAYS: &str = "select count(*) from pg_inherits where inhparent = 'skep.finished'::regclass";

#[tokio::test]
async fn days_are_made_ahead_and_dropped() {
    let (bench, mut own, _) = bench().await;
    // Before anybody beat there is no day yet.
    let early = skep_queue::testing::Drone::new(&bench, "early");
    bench.accept(&bench.many("a", 3)).await;
    for task in early.pump("a", 3).await {
        early.complete(&task).await;
    }
    assert!(number(&mut own, "select count(*) from skep.finished_default").await > 0);
    bench.pass(60 * 60 * 24);
    let drone = bench.drone("d").await;
    assert!(number(&mut own, DAYS).await >= 3, "the default, and some days");
    bench.accept(&bench.many("a", 3)).await;
    let tasks = drone.pump("a", 3).await;
    drone.end(&tasks[0], retry(0)).await;
    for task in drone.pump("a", 3).await.iter().chain(&tasks[1..]) {
        drone.complete(task).await;
    }
    let of_a_day =
        "select count(*) from skep.finished f where f.tableoid <> 'skep.finished_default'::regclass";
    assert!(number(&mut own, of_a_day).await > 0);
    assert_eq!(number(&mut own, "select count(*) from skep.finished_default").await, 0, "that time is over");
    assert_eq!(number(&mut own, "select count(*) from skep.bodies").await, 1);
    assert!(number(&mut own, "select count(*) from skep.history").await > 0);
    let before = number(&mut own, DAYS).await;
    for _ in 0..3 {
        bench.pass(60 * 60 * 24);
        drone.beat(&[]).await;
    }
    assert!(bench.all().await.is_empty());
    let rest = "select (select count(*) from skep.finished) + (select count(*) from skep.bodies) \
                + (select count(*) from skep.history)";
    assert_eq!(number(&mut own, rest).await, 0);
    assert!(number(&mut own, DAYS).await <= before, "what is over was dropped");
}

#[tokio::test]
async fn what_has_expired_is_not_in_the_way() {
    let (bench, mut own, _) = bench().await;
    bench.set(Setting::Retention(Duration::from_secs(100))).await;
    let (drone, blocks) = (bench.drone("d").await, [bench.many("a", 1), bench.many("a", 2)]);
    bench.submit_all(&blocks, false).await;
    let tasks = drone.pump("a", 3).await;
    drone.end(&tasks[0], retry(0)).await;
    for task in drone.pump("a", 3).await.iter().chain(&tasks[1..]) {
        drone.complete(task).await;
    }
    bench.pass(99);
    assert_eq!(bench.submit_all(&blocks, false).await, [Submitted::Existing, Submitted::Existing]);
    bench.pass(2);
    assert!(number(&mut own, "select count(*) from skep.finished").await > 0, "its day is not over");
    assert_eq!(bench.submit_all(&blocks, false).await, [Submitted::Accepted, Submitted::Accepted]);
    assert_eq!(bench.depth().await, 3);
    assert_eq!(number(&mut own, "select count(*) from skep.history").await, 0, "they begin anew");
}

#[tokio::test]
async fn who_was_brought_back_leaves_nothing_behind() {
    let (bench, mut own, _) = bench().await;
    let (drone, id) = (bench.drone("d").await, bench.one("a").await);
    bench.act(Act::Cancel, id).await;
    bench.act(Act::Retry, id).await;
    bench.set(Setting::Retention(Duration::ZERO)).await;
    drone.complete(&drone.take("a").await).await;
    assert_eq!(number(&mut own, "select count(*) from skep.history").await, 0);
}

/// A function of the server's that meets another transaction so often.
fn meets(times: u32, code: &str) -> String {
    format!(
        "create sequence public.calls_{times}; create or replace function skep.see_drones() returns jsonb \
         language plpgsql as $$ begin if nextval('public.calls_{times}') <= {times} then \
         raise exception using errcode = '{code}'; end if; return '[]'; end $$"
    )
}

#[tokio::test]
async fn what_met_another_transaction_is_tried_again() {
    let (bench, mut own, _) = bench().await;
    for (times, code) in [(2, "40P01"), (5, "40001")] {
        run(&mut own, meets(times, code)).await;
        assert!(bench.backend.drones().await.expect("the next try does it").is_empty());
    }
    run(&mut own, meets(100, "40P01")).await;
    let given_up = bench.backend.drones().await;
    assert!(matches!(given_up, Err(skep_queue::Error::Unavailable(_))), "{given_up:?}");
    assert_eq!(number(&mut own, "select last_value from public.calls_100").await, 6);
}

#[tokio::test]
async fn readers_see_no_payload() {
    let (bench, mut own, url) = bench().await;
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    drone.end(&drone.take("a").await, retry(60)).await;
    let role = format!("reader_{}", url.split(['/', '?']).nth(3).expect("a database"));
    run(&mut own, format!("create role {role} login; grant skep_view to {role}")).await;
    let mut reader = connection_to(&url.replace("user=postgres", &format!("user={role}"))).await;
    let task = sqlx::query("select id::text, state, attempts, to_jsonb(t)::text from skep.task_list t");
    let task = task.fetch_one(&mut reader).await.expect("one task");
    let (shown, state, attempts, all): (String, String, i16, String) =
        (task.get(0), task.get(1), task.get(2), task.get(3));
    assert_eq!((shown, state.as_str(), attempts), (id.to_string(), "scheduled", 1));
    assert!(!all.contains("error") && !all.contains("payload"), "{all}");
    assert_eq!(
        number(&mut reader, "select scheduled::bigint from skep.queue_stats where not unserved").await,
        1
    );
    assert_eq!(
        number(&mut reader, "select count(*) from skep.drone_list where name = 'd' and not silent").await,
        1
    );
    for closed in ["select * from skep.tasks", "select * from skep.shown", "select skep.pause('default')"] {
        let refused = sqlx::query(closed).execute(&mut reader).await.expect_err(closed).to_string();
        assert!(refused.contains("permission denied"), "{refused}");
    }
    let hidden = format!("select skep.task('{id}')");
    assert!(sqlx::query(AssertSqlSafe(hidden)).execute(&mut reader).await.is_err());
}

#[tokio::test]
async fn operators_may_use_sql() {
    let (bench, mut own, _) = bench().await;
    let id = bench.one("a").await;
    run(&mut own, "select skep.pause('default', 'a'); select skep.pause('default')").await;
    assert!(bench.queue("default").await.is_some_and(|queue| queue.paused && queue.types[0].paused));
    run(&mut own, "select skep.resume('default', task_type => 'a'); select skep.resume(queue => 'default')")
        .await;
    assert!(bench.queue("default").await.is_some_and(|queue| !queue.paused && !queue.types[0].paused));
    let says = |sql: &str| sqlx::query_scalar::<_, String>(AssertSqlSafe(sql.replace("ID", &id.to_string())));
    assert_eq!(says("select skep.cancel('ID')").fetch_one(&mut own).await.expect("an answer"), "done");
    assert_eq!(says("select skep.cancel('ID')").fetch_one(&mut own).await.expect("an answer"), "unchanged");
    let state = "select skep.result('ID') ->> 'state'";
    assert_eq!(says(state).fetch_one(&mut own).await.expect("an answer"), "cancelled");
    assert_eq!(says("select skep.retry(id => 'ID')").fetch_one(&mut own).await.expect("an answer"), "done");
    let payload = "select concat(skep.task('ID') -> 'payload', ' ', skep.task('ID') #>> '{history,0,cause}')";
    assert_eq!(says(payload).fetch_one(&mut own).await.expect("an answer"), "0 cancelled");
    let nobody = "00000000-0000-4000-8000-000000000000";
    for sql in ["skep.pause('nowhere')", "skep.pause('default', 'b')", &format!("skep.cancel('{nobody}')")] {
        let error =
            sqlx::query(AssertSqlSafe(format!("select {sql}"))).execute(&mut own).await.expect_err(sql);
        let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
        assert_eq!(code.as_deref(), Some("SK005"), "{sql}");
    }
}

#[tokio::test]
async fn settings_that_end_a_retention_forget() {
    let bench = fresh().await;
    let drone = bench.drone("d").await;
    let id = bench.one("a").await;
    drone.end(&drone.take("a").await, Outcome::done()).await;
    bench.pass(100);
    bench.set(Setting::Retention(Duration::from_secs(200))).await;
    assert!(bench.detail(id).await.is_some(), "a hundred seconds are left");
    bench.set(Setting::Retention(Duration::from_secs(50))).await;
    assert!(bench.detail(id).await.is_none());
}

/// Two processes on a database with the machine's clock.
async fn two() -> [Arc<PgQueue>; 2] {
    let url = bare().await;
    schema::up(&mut connection_to(&url).await, "skep").await.expect("the schema comes up");
    let queue = || PgQueue::new(&Config::new(&url), Arc::new(SystemClock), Arc::new(SystemRandom));
    [queue().expect("a queue").into(), queue().expect("a queue").into()]
}

#[tokio::test]
async fn orders_are_heard_by_another_process() {
    let [drone, operator] = two().await;
    let calls = timeout(BOUND, drone.arrival(&[])).await;
    assert!(calls.is_ok(), "it hears its own first ring, or looks after a second");
    for paused in [true, false, true] {
        // Whoever hears nothing looks after a second; whoever hears, after ten.
        let _ = timeout(Duration::from_millis(1500), drone.arrival(&[])).await;
        let mut waiting = std::pin::pin!(drone.arrival(&[]));
        assert!(timeout(Duration::from_millis(1500), &mut waiting).await.is_err(), "nothing rang");
        operator.set(QueueName::default(), None, Setting::Paused(paused)).await.expect("set");
        assert!(timeout(Duration::from_secs(5), waiting).await.is_ok(), "it slept through an order");
    }
}

#[tokio::test]
async fn work_is_found_when_it_comes_and_when_it_is_due() {
    let [drone, submitter] = two().await;
    let (incarnation, random) = (Incarnation::new(&SystemRandom), SystemRandom);
    let types = [kind("t")];
    let mut late = Vec::new();
    for due in [Due::Now, Due::In(Duration::from_millis(300)), Due::In(Duration::from_millis(1700))] {
        let block = Block { due, ..Block::one(types[0].clone(), "1", &SystemClock, &random) };
        submitter.submit(Submission::whole(vec![block])).await.expect("submitted");
        let found = async {
            loop {
                let demands = vec![Demand { task_type: types[0].clone(), room: 1 }];
                let claim = skep_queue::ClaimId::new(&random);
                let pump = Pump { drone: incarnation, claim, queue: QueueName::default(), demands };
                let claimed = drone.pump(pump).await.expect("an answer");
                if let Some(block) = claimed.first() {
                    return block.block.task(0);
                }
                drone.arrival(&types).await;
            }
        };
        let id = timeout(BOUND, found).await.expect("it is found");
        let view = drone.task(id).await.expect("an answer").expect("it is kept").view;
        late.push(skep_queue::Clock::now(&SystemClock).since(view.run_at));
    }
    let best = late[1..].iter().min().expect("two");
    assert!(*best < Duration::from_millis(500), "who waits knows what comes due: {late:?}");
}
