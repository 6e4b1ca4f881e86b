//! Setting the schema up: twice, at once, by a role without rights to spare, elsewhere than in `skep`.

mod fixture;

use fixture::{bare, connection_to, run};
use skep_postgres::schema::{self, Status};
use sqlx::{AssertSqlSafe, PgConnection};

async fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.expect("a count")
}

async fn status(connection: &mut PgConnection) -> Status {
    schema::status(connection, "skep").await.expect("a status")
}

#[tokio::test]
async fn up_is_done_once() {
    let mut own = connection_to(&bare().await).await;
    let before = status(&mut own).await;
    assert_eq!((before.version, before.is_good()), (None, false));
    assert!(before.missing.contains(&"step 0001".to_owned()), "{before:?}");
    let done = schema::up(&mut own, "skep").await.expect("up");
    assert!(done.contains(&"function now".to_owned()), "{done:?}");
    let after = status(&mut own).await;
    assert!(after.is_good() && after.groups_missing.is_empty(), "{after:?}");
    let parts = "select count(*) + sum(extract(epoch from at))::bigint from skep.schema_parts";
    let stood = count(&mut own, parts).await;
    assert_eq!(schema::up(&mut own, "skep").await.expect("up again"), Vec::<String>::new());
    assert_eq!(schema::plan(&mut own, "skep").await.expect("a plan"), "");
    assert_eq!(count(&mut own, parts).await, stood, "nothing was touched");
}

#[tokio::test]
async fn many_at_once_do_it_once() {
    let url = bare().await;
    let mut ups = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let url = url.clone();
        ups.spawn(async move { schema::up(&mut connection_to(&url).await, "skep").await.expect("up") });
    }
    let done = ups.join_all().await;
    let busy = done.iter().filter(|parts| !parts.is_empty()).count();
    assert_eq!(busy, 1, "one did it, the others found it done");
    assert!(status(&mut connection_to(&url).await).await.is_good());
}

#[tokio::test]
async fn a_plan_is_what_up_does() {
    let mut own = connection_to(&bare().await).await;
    let plan = schema::plan(&mut own, "skep").await.expect("a plan");
    assert_eq!(
        count(&mut own, "select count(*) from pg_namespace where nspname = 'skep'").await,
        0,
        "it only looks"
    );
    run(&mut own, plan).await;
    assert!(status(&mut own).await.is_good());
}

#[tokio::test]
async fn what_was_changed_by_hand_is_told_and_mended() {
    let mut own = connection_to(&bare().await).await;
    schema::up(&mut own, "skep").await.expect("up");
    let other = "create or replace function skep.now() returns timestamptz language sql as $$ select pg_catalog.now() $$";
    run(&mut own, other).await;
    run(&mut own, "grant execute on function skep.schema_version() to public").await;
    let seen = status(&mut own).await;
    assert_eq!((seen.changed, seen.open), (vec!["now".to_owned()], vec!["schema_version".to_owned()]));
    assert_eq!(schema::up(&mut own, "skep").await.expect("up"), ["function now", "rights"]);
    assert!(status(&mut own).await.is_good());
}

#[tokio::test]
async fn another_schema_is_another_queue() {
    let mut own = connection_to(&bare().await).await;
    for name in ["user", "jobs_2"] {
        schema::up(&mut own, name).await.expect(name);
        assert!(schema::status(&mut own, name).await.expect("a status").is_good());
    }
    let strays = "select count(*) from pg_proc p join pg_namespace n on n.oid = p.pronamespace, unnest(p.proconfig) c \
                  where n.nspname in ('user', 'jobs_2') and c ~ 'skep'";
    assert_eq!(count(&mut own, strays).await, 0, "no function looks into schema skep");
    assert_eq!(count(&mut own, "select count(*) from pg_namespace where nspname = 'skep'").await, 0);
    let version: i32 =
        sqlx::query_scalar("select \"user\".schema_version()").fetch_one(&mut own).await.expect("one");
    assert_eq!(version, 1);
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let mut own = connection_to(&bare().await).await;
    schema::up(&mut own, "skep").await.expect("up");
    run(&mut own, "update skep.schema_parts set version = 9, text_hash = 'x' where name = 'function now'")
        .await;
    for error in
        [schema::up(&mut own, "skep").await.map(drop), schema::plan(&mut own, "skep").await.map(drop)]
    {
        let error = error.expect_err("newer").to_string();
        assert_eq!(error, "schema skep is of version 9, and this skep knows 1: use the newer skep");
    }
}

#[tokio::test]
async fn a_role_needs_no_more_than_to_create() {
    let url = bare().await;
    let name = url.split(['/', '?']).nth(3).expect("a database").to_owned();
    let role = format!("owner_{name}");
    let mut admin = connection_to(&url).await;
    run(&mut admin, format!("create role {role} login; grant create on database {name} to {role}")).await;
    let theirs = url.replace("user=postgres", &format!("user={role}"));
    let mut own = connection_to(&theirs).await;
    schema::up(&mut own, "skep").await.expect("up without superuser");
    assert!(status(&mut own).await.is_good());
    // And in a schema that an administrator made for it, in a database where it may create none.
    run(
        &mut admin,
        format!("revoke create on database {name} from {role}; create schema given authorization {role}"),
    )
    .await;
    schema::up(&mut own, "given").await.expect("up in a schema of its own");
    let error = schema::up(&mut own, "taken").await.expect_err("no right").to_string();
    assert!(error.contains("permission denied for database") && error.contains("42501"), "{error}");
}
