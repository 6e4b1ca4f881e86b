//! The contract for whoever submits by SQL: docs/sql.md runs, its programs in other languages too, and every error is the one that it says.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "../fixture/mod.rs"]
mod fixture;
mod programs;

use serde_json::Value;
use skep_postgres::schema;
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgDatabaseError};
use uuid::Uuid;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sql.md");

/// An empty queue that lives by the server's clock.
async fn fresh() -> PgConnection {
    let mut own = fixture::connection_to(&fixture::bare().await).await;
    schema::up(&mut own, "skep").await.unwrap();
    own
}

async fn run(own: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(own).await.map(drop)
}

async fn one<T>(own: &mut PgConnection, sql: &str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(own).await.unwrap()
}

/// SQLSTATE, message and DETAIL of what must fail.
async fn fails(own: &mut PgConnection, sql: &str) -> (String, String, Value) {
    let error = run(own, sql).await.unwrap_err();
    let error = error.as_database_error().unwrap().downcast_ref::<PgDatabaseError>();
    let detail = serde_json::from_str(error.detail().unwrap_or("null")).unwrap_or_default();
    (error.code().to_owned(), error.message().to_owned(), detail)
}

/// The code blocks of a language, in order.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    document.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_document_runs() {
    let (document, mut own) = (std::fs::read_to_string(DOCUMENT).unwrap(), fresh().await);
    let blocks = blocks(&document, "sql");
    assert!(blocks.len() >= 7, "{blocks:?}");
    for block in &blocks {
        run(&mut own, block).await.unwrap_or_else(|error| panic!("{block}\n{error}"));
    }
    let tasks = "select string_agg(task_type || ' ' || n, ', ' order by task_type) from (select l.task_type, \
        sum(t.n) from skep.tasks t join skep.lanes l on l.id = t.lane group by 1) c (task_type, n)";
    assert_eq!(
        one::<String>(&mut own, tasks).await,
        "mail.send 2, order.audit 498, order.placed 500, report.build 1, thumbnail 1000"
    );
    let later: i64 = one(&mut own, "select count(*) from skep.tasks where later").await;
    assert_eq!(later, 1, "the report; the others are due at once");
    // What it says of errors is provoked by the other tests of this file.
    for code in ["SK001", "SK002", "SK003", "SK004", "SK005"] {
        assert!(document.contains(&format!("| `{code}` |")), "{code}");
    }
}

#[tokio::test]
async fn errors_say_what_and_why() {
    let mut own = fresh().await;
    run(&mut own, "select skep.set_capacity('small', 2); select skep.set_capacity('small', 1, 'b')")
        .await
        .unwrap();
    run(&mut own, "select skep.submit('b', queue => 'small')").await.unwrap();
    let (code, message, detail) = fails(&mut own, "select skep.submit('b', queue => 'small')").await;
    assert_eq!((code.as_str(), &detail["reason"]), ("SK001", &"type_full".into()), "{message}");
    run(&mut own, "select skep.submit('a', queue => 'small')").await.unwrap();
    let (code, message, detail) = fails(&mut own, "select skep.submit('a', queue => 'small')").await;
    assert_eq!((code.as_str(), message.as_str()), ("SK001", r#"queue "small" is full: 2 of 2 tasks"#));
    let full = serde_json::json!({ "reason": "queue_full", "depth": 2, "limit": 2, "retry_after": 1 });
    assert_eq!(detail, full);
    for (arguments, words) in [
        ("'Mail'", "is not a name"),
        ("'a', queue => '../x'", "is not a name"),
        ("'a', postback => 'B'", "is not a name"),
        ("null", "is not a name"),
        ("'a', priority => 6", "use 1 (first) to 5 (last)"),
        ("'a', max_attempts => 0", "1 to 65535"),
        ("'a', unique_key => ''", "1 to 256 bytes"),
        ("'a', unique_key => repeat('k', 257)", "1 to 256 bytes"),
        ("'a', on_conflict => 'drop'", "reject, skip or replace"),
        ("'a', null", "the payload is null"),
        ("'a', to_jsonb(repeat('x', 20 * 1024 * 1024))", "a payload of 20971522 bytes is too large"),
    ] {
        let (code, message, _) = fails(&mut own, &format!("select skep.submit({arguments})")).await;
        assert!(code == "SK002" && message.contains(words), "{arguments}: {code} {message}");
    }
    assert_eq!(
        fails(&mut own, r#"select skep.submit('a', '"\u0000"')"#).await.0,
        "22P05",
        "says jsonb itself"
    );
    let id: Uuid = one(&mut own, "select skep.submit('a', unique_key => 'k')").await;
    let (code, _, detail) = fails(&mut own, "select skep.submit('a', unique_key => 'k')").await;
    assert_eq!((code.as_str(), &detail["holder"]), ("SK003", &id.to_string().into()));
    let other = format!("select skep.submit('a', '1', id => '{id}')");
    assert_eq!(fails(&mut own, &other).await.0, "SK003", "another payload");
    for (intake, reason) in [(1, "intake_paused"), (2, "draining")] {
        run(&mut own, &format!("update skep.queues set intake = {intake}")).await.unwrap();
        let (code, message, detail) = fails(&mut own, "select skep.submit('a')").await;
        assert_eq!((code.as_str(), &detail["reason"]), ("SK004", &reason.into()), "{message}");
    }
    assert_eq!(
        fails(&mut own, "select skep.cancel('00000000-0000-7000-8000-000000000000')").await.0,
        "SK005"
    );
    let left: i64 = one(&mut own, "select count(*) from skep.lanes where task_type not in ('a', 'b')").await;
    assert_eq!(left, 0, "what is refused leaves nothing behind");
}

#[tokio::test]
async fn try_submit_answers() {
    let mut own = fresh().await;
    let id = "018f0000-0000-7000-8000-000000000000";
    let holder: Uuid =
        one(&mut own, &format!("select skep.submit('a', unique_key => 'k', id => '{id}')")).await;
    let tried = [
        (format!("unique_key => 'k', id => '{id}'"), "existing", Some(holder)),
        ("unique_key => 'k'".to_owned(), "conflict", Some(holder)),
        ("unique_key => 'k', on_conflict => 'skip'".to_owned(), "skipped", Some(holder)),
        ("priority => 9".to_owned(), "rejected", None),
    ];
    for (arguments, outcome, id) in tried {
        let sql = format!("select id, outcome from skep.try_submit('a', {arguments})");
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut own).await.unwrap();
        assert_eq!((row.get::<Option<Uuid>, _>(0), row.get::<&str, _>(1)), (id, outcome), "{arguments}");
    }
    let skipped: Uuid =
        one(&mut own, "select skep.submit('a', unique_key => 'k', on_conflict => 'skip')").await;
    assert_eq!(skipped, holder);
    let new: Uuid =
        one(&mut own, "select skep.submit('b', unique_key => 'k', on_conflict => 'replace')").await;
    let sql = "select (select block from skep.tasks), (select block from skep.finished where state = 5)";
    let row = sqlx::query(sql).fetch_one(&mut own).await.unwrap();
    assert_eq!((row.get::<Uuid, _>(0), row.get::<Uuid, _>(1)), (new, holder));
    assert_eq!((new.get_version_num(), new.as_u128() & 0xffff), (7, 0));
}

#[tokio::test]
async fn many_go_in_blocks_or_not_at_all() {
    let mut own = fresh().await;
    run(&mut own, "select skep.set_capacity('default', 300)").await.unwrap();
    let many = |n: u32| {
        format!("select skep.submit_many('a', array(select to_jsonb(i) from generate_series(1, {n}) i))")
    };
    let ids: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(many(300))).fetch_all(&mut own).await.unwrap();
    let sizes = "select array_agg(n order by seq)::int[] from skep.tasks";
    assert_eq!(one::<Vec<i32>>(&mut own, sizes).await, [128, 128, 44]);
    for place in [0_usize, 127, 128, 299] {
        let block = Uuid::from_u128(ids[place].as_u128() & !0xffff);
        let ordinal = ids[place].as_u128() & 0xffff;
        let payload =
            format!("select skep.unpacked(body, {ordinal}) from skep.bodies where block = '{block}'");
        assert_eq!(one::<Vec<u8>>(&mut own, &payload).await, (place + 1).to_string().into_bytes());
    }
    let (code, _, detail) = fails(&mut own, &many(1)).await;
    assert_eq!((code.as_str(), &detail["depth"]), ("SK001", &300.into()));
    run(&mut own, "select skep.set_capacity('default', 500)").await.unwrap();
    assert_eq!(fails(&mut own, &many(201)).await.0, "SK001");
    assert_eq!(one::<i64>(&mut own, "select sum(n)::bigint from skep.tasks").await, 300);
    run(&mut own, &format!("begin; {}; rollback; {}", many(200), many(200))).await.unwrap();
    assert_eq!(one::<i64>(&mut own, "select sum(n)::bigint from skep.tasks").await, 500);
}

#[tokio::test]
async fn a_trigger_submits_the_row_and_says_what_is_wrong_with_it() {
    let mut own = fresh().await;
    let table = "create table t (id int, name text); create trigger s after insert or delete on t for each row \
        execute function skep.submit_row('row', '{\"queue\": \"rows\", \"unique_key\": \"id\"}'); \
        insert into t values (1, 'ada')";
    run(&mut own, table).await.unwrap();
    let row = "select convert_from(skep.unpacked(body, 0), 'UTF8') || ' ' || options from skep.tasks";
    assert_eq!(one::<String>(&mut own, row).await, r#"{"id": 1, "name": "ada"} {"unique_key": "1"}"#);
    assert_eq!(fails(&mut own, "insert into t values (1, 'again')").await.0, "SK003");
    run(&mut own, "delete from skep.unique_keys; delete from t").await.unwrap();
    assert_eq!(one::<i64>(&mut own, "select count(*) from skep.tasks").await, 2, "a deletion too");
    let odd = "create table u (id int); create trigger s after insert on u for each row \
        execute function skep.submit_row('row', '{\"que\": \"rows\"}'); insert into u values (1)";
    let (code, message, _) = fails(&mut own, odd).await;
    assert!(code == "SK002" && message.contains("does not know: que"), "{message}");
}
