//! Who may do what, and that nobody gets more by putting something of their own in the way.

mod fixture;

use std::collections::{BTreeMap, BTreeSet};

use fixture::{bare, connection_to, run, server};
use skep_postgres::schema::{self, placed};
use sqlx::{AssertSqlSafe, PgConnection};

const GROUPS: [&str; 4] = ["skep_admin", "skep_drone", "skep_submit", "skep_view"];

/// What roles.sql says: every function that may be called, and by whom.
fn listed() -> BTreeMap<String, BTreeSet<String>> {
    let line = |line: &str| {
        let (name, groups) = line.trim().strip_prefix("('")?.split_once("', '")?;
        let groups = groups.split_once("')")?.0;
        let is_group = |group: &str| group.starts_with("skep_");
        let all = groups.split(' ').all(is_group) && !name.contains([' ', '.']);
        all.then(|| (name.to_owned(), groups.split(' ').map(ToOwned::to_owned).collect()))
    };
    skep_migrations::POSTGRES_ROLES.lines().filter_map(line).collect()
}

/// A database with the schema as it is, clock and all.
async fn database() -> String {
    let url = bare().await;
    schema::up(&mut connection_to(&url).await, "skep").await.expect("the schema comes up");
    url
}

/// A login in these groups, its database, and the superuser's connection to that.
async fn member(name: &str, groups: &str) -> (String, PgConnection) {
    let url = database().await;
    let mut admin = connection_to(&url).await;
    run(&mut admin, format!("create role {name} login; grant {groups} to {name}")).await;
    let database = url.split(['/', '?']).nth(3).expect("a database").to_owned();
    (server().url_as(name, &database), admin)
}

/// The SQLSTATE with which it ends.
async fn state(connection: &mut PgConnection, sql: &str) -> String {
    let ended = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await;
    match ended {
        Ok(_) => "00000".into(),
        Err(error) => error.as_database_error().and_then(|e| e.code()).expect("a code").into_owned(),
    }
}

#[tokio::test]
async fn every_function_is_for_whom_the_list_says() {
    let mut admin = connection_to(&database().await).await;
    let sql = "select p.proname::text, p.oid::regprocedure::text, p.prosecdef, coalesce(p.proconfig::text, ''), \
        has_function_privilege('public', p.oid, 'execute'), \
        array(select r.rolname::text from pg_roles r where r.rolname like 'skep\\_%' \
              and has_function_privilege(r.oid, p.oid, 'execute') order by 1) \
        from pg_proc p where p.pronamespace = 'skep'::regnamespace";
    let functions: Vec<(String, String, bool, String, bool, Vec<String>)> =
        sqlx::query_as(sql).fetch_all(&mut admin).await.expect("the functions");
    assert!(functions.len() > 50, "the functions were found");
    let list = listed();
    assert!(list.values().flatten().all(|group| GROUPS.contains(&group.as_str())), "{list:?}");
    let there: BTreeSet<&String> = functions.iter().map(|function| &function.0).collect();
    let strays: Vec<_> = list.keys().filter(|name| !there.contains(name)).collect();
    assert!(strays.is_empty(), "listed, but not there: {strays:?}");
    for (name, signature, definer, settings, public, groups) in &functions {
        let may: BTreeSet<String> = groups.iter().cloned().collect();
        assert!(!public, "anybody may call {signature}");
        assert_eq!(may, list.get(name).cloned().unwrap_or_default(), "who may call {signature}");
        // One that runs with its owner's rights is meant to be called, and must look nothing up elsewhere.
        assert!(!definer || !may.is_empty(), "{signature} is for nobody: add it to roles.sql");
        let pinned = settings.contains("search_path=pg_catalog, skep, pg_temp");
        assert!(!definer || pinned, "{signature} looks names up where its caller says: {settings}");
    }
}

#[tokio::test]
async fn tables_are_for_their_owner() {
    let mut admin = connection_to(&database().await).await;
    let sql = "select c.relname::text, r.rolname::text, p.verb from pg_class c, \
        unnest('{select,insert,update,delete,truncate}'::text[]) p(verb), \
        (select oid, rolname from pg_roles where rolname like 'skep\\_%' union all select 0, 'public') r \
        where c.relnamespace = 'skep'::regnamespace and c.relkind in ('r', 'p', 'v') \
        and case when r.oid = 0 then has_table_privilege('public', c.oid, p.verb) \
            else has_table_privilege(r.oid, c.oid, p.verb) end";
    let may: Vec<(String, String, String)> = sqlx::query_as(sql).fetch_all(&mut admin).await.expect("rights");
    for (table, group, verb) in may {
        assert_eq!(verb, "select", "{group} may {verb} {table}");
        let open = ["task_list", "queue_stats", "drone_list", "schema_parts"].contains(&table.as_str());
        let right = group == "skep_admin" || open && group == "skep_view" || table == "schema_parts";
        assert!(right && group != "public", "{group} may read {table}");
    }
}

#[tokio::test]
async fn who_submits_only_submits() {
    let (url, mut admin) = member("submitter", "skep_submit").await;
    let mut own = connection_to(&url).await;
    assert_eq!(state(&mut own, "select skep.submit('mail', '{\"to\": 1}')").await, "00000");
    assert_eq!(state(&mut own, "select * from skep.try_submit('mail')").await, "00000");
    assert_eq!(state(&mut own, "select skep.submit_many('mail', array['1', '2']::jsonb[])").await, "00000");
    for denied in [
        "select * from skep.tasks",
        "select * from skep.task_list",
        "insert into skep.queues (name) values ('x')",
        "update skep.tasks set priority = 1",
        "truncate skep.tasks",
        "do $$ begin lock skep.tasks; end $$",
        "select skep.pause('default')",
        "select skep.task('00000000-0000-7000-8000-000000000000')",
        "select skep.promote()",
        "select skep.maintain()",
        "create function skep.mine() returns int language sql as 'select 1'",
        "create table skep.mine (a int)",
        "alter function skep.now() owner to submitter",
        "drop table skep.tasks",
    ] {
        let code = state(&mut own, denied).await;
        assert_eq!(code, "42501", "{denied}");
    }
    // What nobody promised to be there is refused as well, whatever it says.
    for denied in ["select nextval('skep.order_of_submission')", "select * from skep.bodies"] {
        assert_eq!(state(&mut own, denied).await, "42501", "{denied}");
    }
    let kept: i64 =
        sqlx::query_scalar("select sum(n) from skep.tasks").fetch_one(&mut admin).await.expect("a sum");
    assert_eq!(kept, 4);
}

#[tokio::test]
async fn who_looks_sees_no_payload() {
    let (url, mut admin) = member("looker", "skep_view").await;
    run(&mut admin, "select skep.submit('mail', '{\"secret\": 1}')").await;
    let mut own = connection_to(&url).await;
    for view in ["task_list", "queue_stats", "drone_list"] {
        let sql = AssertSqlSafe(format!("select count(*) from skep.{view}"));
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&mut own).await.expect(view);
        assert_eq!(rows, i64::from(view != "drone_list"), "{view}");
    }
    let row: String = sqlx::query_scalar("select to_jsonb(t)::text from skep.task_list t")
        .fetch_one(&mut own)
        .await
        .expect("a row");
    assert!(row.contains("available") && row.contains("mail") && !row.contains("secret"), "{row}");
    for denied in ["select * from skep.tasks", "select * from skep.history", "select skep.submit('mail')"] {
        assert_eq!(state(&mut own, denied).await, "42501", "{denied}");
    }
}

/// Everything that a function of skep's could be lured with, before its own names are found.
const LURES: &str = "
    create schema lure;
    create table lure.caught (what text);
    grant all on schema lure to public; grant all on lure.caught to public;
    create function lure.note(text) returns text language plpgsql as $$ begin insert into lure.caught values ($1); return $1; end $$;
    create function lure.now() returns timestamptz language sql as $$ select lure.note('now'), clock_timestamp() $$;
";

#[tokio::test]
async fn nothing_of_the_callers_is_in_the_way() {
    let (url, mut admin) = member("attacker", "skep_submit").await;
    run(
        &mut admin,
        LURES.replace(
            "select lure.note('now'), clock_timestamp()",
            "select clock_timestamp() where lure.note('now') is not null",
        ),
    )
    .await;
    let mut own = connection_to(&url).await;
    // Tables of the same names, first in line, as temporary ones always are where nobody pins them last.
    for table in ["tasks", "queues", "lanes", "bodies", "cells", "finished", "unique_keys"] {
        run(&mut own, format!("create temp table {table} (like_nothing int)")).await;
    }
    let operators = "
        create function lure.eq(text, text) returns boolean language plpgsql as $$ begin perform lure.note('='); return true; end $$;
        create operator lure.= (leftarg = text, rightarg = text, function = lure.eq);
        create function lure.lt(int, int) returns boolean language plpgsql as $$ begin perform lure.note('<'); return false; end $$;
        create operator lure.< (leftarg = int, rightarg = int, function = lure.lt);
        create function lure.length(text) returns int language plpgsql as $$ begin perform lure.note('length'); return 0; end $$;
        create function lure.jsonb_typeof(jsonb) returns text language plpgsql as $$ begin return lure.note('jsonb_typeof'); end $$;
        create function lure.gen_random_uuid() returns uuid language plpgsql as $$ begin perform lure.note('uuid'); return null; end $$;
        create function lure.clock_timestamp() returns timestamptz language plpgsql as $$ begin perform lure.note('clock'); return 'epoch'; end $$;
        create domain lure.jsonb as text;
        set search_path = lure, pg_temp, pg_catalog;
        set session authorization default";
    run(&mut own, operators).await;
    assert_eq!(
        state(&mut own, "select skep.submit('mail', '{\"a\": 1}'::pg_catalog.jsonb, unique_key => 'k')")
            .await,
        "00000"
    );
    assert_eq!(
        state(&mut own, "select * from skep.try_submit('mail', '{}'::pg_catalog.jsonb)").await,
        "00000"
    );
    assert_eq!(
        state(&mut own, "select skep.submit_many('mail', array['1', '2']::pg_catalog.jsonb[])").await,
        "00000"
    );
    let caught: Vec<String> = sqlx::query_scalar("select what from lure.caught")
        .fetch_all(&mut admin)
        .await
        .expect("what was caught");
    assert_eq!(caught, Vec::<String>::new());
    let kept: i64 =
        sqlx::query_scalar("select sum(n) from skep.tasks").fetch_one(&mut admin).await.expect("a sum");
    assert_eq!(kept, 4, "all of it went where it belongs");
    // And the lures do catch whoever looks names up in this session's path.
    run(&mut own, "select 'a'::text = 'b'::text, length('a'::text)").await;
    let caught: i64 =
        sqlx::query_scalar("select count(*) from lure.caught").fetch_one(&mut admin).await.expect("a count");
    assert_eq!(caught, 2);
}

#[test]
fn rights_follow_the_schema() {
    let moved = placed(skep_migrations::POSTGRES_ROLES, "jobs");
    for stays in ["schema skep ", "schema skep'", "skep.", "'skep'::"] {
        assert!(!moved.contains(stays), "{stays:?} stayed in {moved}");
    }
}
