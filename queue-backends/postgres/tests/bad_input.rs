//! Whatever is wrong outside: each a clear error of the right kind, and nothing that looks like a password.

mod fixture;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fixture::{bare, connection_to, queue, run, server};
use skep_pgserver::Server;
use skep_postgres::{Config, PgQueue, operate, schema};
use skep_queue::{
    Admin, Block, BlockId, Due, Error, Options, Payloads, Priority, Queue, QueueName, Submission, Submitted,
    health::Verdict, testing::TestClock,
};
use sqlx::PgConnection;

/// A login of its own, with these groups, in the database of a URL; answers its URL there.
async fn login(url: &str, role: &str, groups: &str) -> (String, PgConnection) {
    let mut admin = connection_to(url).await;
    run(&mut admin, format!("create role {role} login {groups}")).await;
    (url.replace("user=postgres", &format!("user={role}")), admin)
}

/// A database with the schema, clock and all.
async fn plain() -> String {
    let url = bare().await;
    schema::up(&mut connection_to(&url).await, "skep").await.expect("up");
    url
}

async fn asked(url: &str) -> Error {
    queue(url, &TestClock::new()).drones().await.expect_err(url)
}

#[track_caller]
fn refused(error: &Error, words: &str) {
    assert!(matches!(error, Error::Refused(_)) && error.to_string().contains(words), "{error:?}");
}

#[track_caller]
fn unavailable(error: &Error, words: &str) {
    assert!(matches!(error, Error::Unavailable(_)) && error.to_string().contains(words), "{error:?}");
}

fn block(number: u128, task_type: &str, payload: Bytes) -> Block {
    Block {
        id: BlockId(uuid::Uuid::from_u128(number << 16)),
        queue: QueueName::default(),
        task_type: task_type.parse().expect("a type"),
        priority: Priority::default(),
        due: Due::Now,
        options: Arc::new(Options::default()),
        payloads: Payloads::new(&[payload]),
    }
}

async fn submitted(queue: &PgQueue, block: Block) -> Result<Submitted, Error> {
    let submission = Submission { blocks: vec![block], partial: false };
    queue.submit(submission).await.map(|answers| answers.into_iter().next().expect("an answer"))
}

#[tokio::test]
async fn a_server_that_is_not_there_may_come() {
    unavailable(&asked("postgres://127.0.0.1:1/app?user=x").await, "127.0.0.1, port 1: Connection refused");
    unavailable(&asked("postgres://no-such-host.invalid/app?user=x").await, "no-such-host.invalid");
    unavailable(&asked("postgres:///app?host=/nowhere/at/all&user=x").await, "/nowhere/at/all");
}

#[tokio::test]
async fn what_somebody_must_mend_is_told() {
    let bare = bare().await;
    refused(&asked(&bare).await, "run skep schema up");
    refused(
        &asked(&server().url("no_such_database")).await,
        "\"no_such_database\" does not exist [3D000]: create it",
    );
    refused(&asked(&server().url_as("no_such_role", "postgres")).await, "check the user");
    refused(&asked(&bare.replace("&user", "&schema=elsewhere&user")).await, "run skep schema up");
}

#[tokio::test]
async fn missing_rights_name_the_grant() {
    let url = plain().await;
    let (theirs, mut admin) = login(&url, "nobody_yet", "").await;
    refused(&asked(&theirs).await, "grant skep_drone to it");
    run(&mut admin, "grant skep_submit to nobody_yet").await;
    let clock = TestClock::new();
    let queue = queue(&theirs, &clock);
    refused(
        &queue.drones().await.expect_err("not for submitters"),
        "permission denied for function see_drones [42501]",
    );
    let done = submitted(&queue, block(1, "mail", Bytes::from_static(b"1"))).await;
    assert!(matches!(done, Ok(Submitted::Accepted)), "{done:?}");
    // A right that comes later is found without a new start, and an outcome is never given up for its want.
    let ending = queue.settle(Vec::new()).await;
    if let Err(error) = ending {
        unavailable(&error, "grant skep_drone");
    }
    run(&mut admin, "grant skep_view to nobody_yet").await;
    assert!(queue.drones().await.is_ok());
}

#[tokio::test]
async fn a_schema_of_another_version_is_named() {
    let url = plain().await;
    let mut admin = connection_to(&url).await;
    run(&mut admin, "update skep.schema_parts set version = 7 where name = 'views'").await;
    refused(&asked(&url).await, "schema skep is of version 7, and this skep knows 1: use the newer skep");
    run(&mut admin, "update skep.schema_parts set version = 0").await;
    refused(&asked(&url).await, "and this skep needs 1: run skep schema up");
}

#[tokio::test]
async fn a_read_only_server_may_be_promoted() {
    let url = plain().await;
    let (theirs, mut admin) = login(&url, "reader", "in role skep_submit").await;
    run(&mut admin, "alter role reader set default_transaction_read_only = on").await;
    let queue = queue(&theirs, &TestClock::new());
    let error = submitted(&queue, block(1, "mail", Bytes::from_static(b"1"))).await.expect_err("read-only");
    unavailable(&error, "name the primary, or promote it");
}

#[tokio::test]
async fn a_timeout_names_its_setting() {
    let url = plain().await;
    let (theirs, mut admin) = login(&url, "hurried", "in role skep_submit").await;
    run(&mut admin, "alter role hurried set statement_timeout = '2s'").await;
    let mut other = connection_to(&url).await;
    let held = queue(&theirs, &TestClock::new());
    submitted(&held, block(1, "mail", Bytes::from_static(b"1"))).await.expect("it is quick");
    run(&mut other, "begin; lock table skep.tasks in access exclusive mode").await;
    let error = submitted(&held, block(2, "mail", Bytes::from_static(b"1"))).await.expect_err("locked");
    unavailable(&error, "statement_timeout is 2s for this role");
    run(&mut other, "rollback").await;
    let done = submitted(&held, block(2, "mail", Bytes::from_static(b"1"))).await;
    assert!(matches!(done, Ok(Submitted::Accepted)), "{done:?}");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let mut server = Server::start(&["fsync = off"]).expect("a server");
    let url = server.url("postgres");
    let mut admin = connection_to(&url).await;
    run(&mut admin, "create role guarded login password 'right-one'").await;
    drop(admin);
    let hba = server.folder().join("data/pg_hba.conf");
    std::fs::write(&hba, "local all guarded scram-sha-256\nlocal all all trust\n").expect("it is written");
    server.stop();
    server.again().expect("it starts again");
    let place = server.url_as("guarded", "postgres");
    let wrong = format!("{place}&password=wrong-one");
    let error = asked(&wrong).await;
    refused(&error, "password authentication failed for user \"guarded\"");
    let config = Config::new(&wrong);
    let errands = [operate::up(&config).await.map(drop), operate::status(&config).await.map(drop)];
    for text in [format!("{error} {error:?} {config:?}"), format!("{errands:?}")] {
        assert!(!text.contains("wrong-one"), "{text}");
    }
    assert!(errands.iter().all(Result::is_err));
    // A file is read at each connection: it may be written later.
    let file = server.folder().join("password");
    let by_file = queue(&format!("{place}&password_file={}", file.display()), &TestClock::new());
    refused(&by_file.drones().await.expect_err("no file"), "password_file: cannot read");
    std::fs::write(&file, "right-one\n").expect("it is written");
    refused(&by_file.drones().await.expect_err("no schema"), "run skep schema up");
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_is_asked_again() {
    let mut server = Server::start(&["fsync = off"]).expect("a server");
    let url = server.url("postgres");
    schema::up(&mut connection_to(&url).await, "skep").await.expect("up");
    let queue = Arc::new(queue(&url, &TestClock::new()));
    assert!(matches!(
        submitted(&queue, block(1, "mail", Bytes::from_static(b"1"))).await,
        Ok(Submitted::Accepted)
    ));
    let mut other = connection_to(&url).await;
    run(&mut other, "begin; lock table skep.tasks in access exclusive mode").await;
    let asking = Arc::clone(&queue);
    let mut calls = tokio::task::JoinSet::new();
    calls.spawn(async move { submitted(&asking, block(2, "mail", Bytes::from_static(b"1"))).await });
    let mut watch = connection_to(&url).await;
    let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
    for _ in 0..1000 {
        let waiting: i64 = sqlx::query_scalar(waits).fetch_one(&mut watch).await.expect("a count");
        if waiting > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.stop();
    let ended = calls.join_next().await.expect("one call").expect("it ends");
    assert!(matches!(ended, Err(Error::Unavailable(_))), "{ended:?}");
    server.again().expect("it starts again");
    let done = submitted(&queue, block(2, "mail", Bytes::from_static(b"1"))).await;
    assert!(matches!(done, Ok(Submitted::Accepted | Submitted::Existing)), "{done:?}");
    let done = submitted(&queue, block(2, "mail", Bytes::from_static(b"1"))).await;
    assert!(matches!(done, Ok(Submitted::Existing)), "{done:?}");
}

#[tokio::test]
async fn odd_payloads_are_kept_or_rejected_whole() {
    let url = plain().await;
    let queue = queue(&url, &TestClock::new());
    let nul = Bytes::from_static(b"{\"a\": \"\\u0000\"}");
    assert!(matches!(submitted(&queue, block(1, "mail", nul.clone())).await, Ok(Submitted::Accepted)));
    let kept = queue
        .task(BlockId(uuid::Uuid::from_u128(1 << 16)).task(0))
        .await
        .expect("it is asked")
        .expect("it is there");
    assert_eq!(kept.payload, nul, "as it was sent");
    let huge = Bytes::from(vec![b'1'; 20 << 20]);
    let done = submitted(&queue, block(2, "mail", huge)).await;
    assert!(
        matches!(&done, Ok(Submitted::Rejected(why)) if why.to_string().contains("payload_too_large")),
        "{done:?}"
    );
    let left: i64 = sqlx::query_scalar("select count(*) from skep.tasks")
        .fetch_one(&mut connection_to(&url).await)
        .await
        .expect("a count");
    assert_eq!(left, 1);
}

#[tokio::test]
async fn hostile_names_from_sql_are_only_names() {
    let mut own = connection_to(&plain().await).await;
    for name in ["'; drop table skep.tasks; --", "A", "", "../x", "a b", "a\nb", "ä", &"a".repeat(65)] {
        let ended = sqlx::query("select skep.submit($1)").bind(name).execute(&mut own).await.expect_err(name);
        let code = ended.as_database_error().and_then(|error| error.code()).expect("a code").into_owned();
        assert_eq!(code, "SK002", "{name:?}: {ended}");
    }
    let tasks: i64 =
        sqlx::query_scalar("select count(*) from skep.tasks").fetch_one(&mut own).await.expect("there");
    assert_eq!(tasks, 0);
}

#[tokio::test]
async fn a_beat_does_not_wait_for_work() {
    let url = plain().await;
    let queue = Arc::new(queue(&url, &TestClock::new()));
    queue.ready().await.expect("it answers");
    let mut other = connection_to(&url).await;
    run(&mut other, "begin; lock table skep.tasks in access exclusive mode").await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 1..=6 {
        let queue = Arc::clone(&queue);
        calls.spawn(async move { submitted(&queue, block(number, "mail", Bytes::from_static(b"1"))).await });
    }
    // Every connection for work waits for the lock; that of the heartbeat is its own.
    let ready = tokio::time::timeout(Duration::from_secs(10), queue.ready_beat()).await;
    assert!(matches!(ready, Ok(Ok(()))), "{ready:?}");
    let sql = "select count(*) from pg_stat_activity where application_name = 'skep test' and datname = current_database()";
    let connections: i64 = sqlx::query_scalar(sql).fetch_one(&mut other).await.expect("a count");
    assert!((1..=4).contains(&connections), "{connections} connections of one process");
    run(&mut other, "rollback").await;
    while let Some(done) = calls.join_next().await {
        assert!(matches!(done.expect("it ends"), Ok(Submitted::Accepted)));
    }
}

#[tokio::test]
async fn the_doctor_finds_what_is_wrong() {
    let url = plain().await;
    let clock = skep_queue::clock::SystemClock;
    let found = operate::doctor(&Config::new(&url), &clock).await.expect("it looks");
    let of =
        |subject: &str| found.iter().find(|finding| finding.subject == subject).expect("a finding").clone();
    assert_eq!(of("schema").verdict, Verdict::Ok, "{found:#?}");
    // The tests' server is as fast as it is careless.
    assert_eq!(of("durability").verdict, Verdict::Bad, "{found:#?}");
    assert!(of("rights").words.contains("superuser"), "{found:#?}");
    assert!(found.iter().all(|finding| !finding.words.contains("cannot look")), "{found:#?}");
    let mut own = connection_to(&url).await;
    run(&mut own, "select skep.set_capacity('default', 10); select skep.submit('mail')").await;
    run(&mut own, "update skep.cells set room = room + 1 where cell = (select min(cell) from skep.cells)")
        .await;
    run(&mut own, "drop function skep.awaits; create or replace function skep.halt() returns int language sql as 'select 1'").await;
    let found = operate::doctor(&Config::new(&url), &clock).await.expect("it looks");
    let bad: Vec<&str> = found
        .iter()
        .filter(|finding| finding.verdict == Verdict::Bad)
        .map(|finding| finding.subject)
        .collect();
    assert!(bad.contains(&"ledger") && bad.contains(&"functions"), "{found:#?}");
}

#[tokio::test]
async fn the_doctor_looks_with_few_rights() {
    let url = plain().await;
    let (theirs, _admin) = login(&url, "patient", "in role skep_drone").await;
    let clock = skep_queue::clock::SystemClock;
    let found = operate::doctor(&Config::new(&theirs), &clock).await.expect("it looks");
    let of =
        |subject: &str| found.iter().find(|finding| finding.subject == subject).expect("a finding").clone();
    assert_eq!((of("rights").verdict, of("schema").verdict), (Verdict::Ok, Verdict::Ok), "{found:#?}");
    assert_eq!(of("ledger").verdict, Verdict::Warn, "what it may not see: {found:#?}");
}
