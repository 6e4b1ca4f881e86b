//! How the claim and the settle find their rows, when the server may not look at the values.

use serde_json::Value;
use sqlx::Row;

use super::rig::{Rig, SERVER, run};

/// Rows of the backlog; `SKEP_GATE_ROWS=1000000` is the long form.
const ROWS: usize = 100_000;
const ROOM: usize = 1000;

/// Every statement inside the functions is explained in the server's log.
const EXPLAIN: &str = "\
    alter database :db set session_preload_libraries = 'auto_explain'; \
    alter database :db set auto_explain.log_min_duration = 0; \
    alter database :db set auto_explain.log_nested_statements = on; \
    alter database :db set auto_explain.log_format = json; \
    alter database :db set plan_cache_mode = force_generic_plan";

/// Tasks that wait like the first one, each a block of one.
const FILL: &str = "\
    insert into skep.tasks (seq, run_at, created_at, block, lane, priority, n, low, live, body) \
    select nextval('skep.order_of_submission'), t.run_at, t.created_at, \
      (lpad(to_hex(i), 12, '0') || '70008000000000000000')::uuid, t.lane, t.priority, 1, 0, t.live, t.body \
    from generate_series(1, :rows) i, skep.tasks t";

/// A tenth as many that are not due for an hour, and some that are due.
const SCHEDULE: &str = "\
    insert into skep.tasks (seq, run_at, created_at, block, lane, priority, n, low, live, body, later) \
    select nextval('skep.order_of_submission'), t.run_at + case when i > 2000 then interval '1 hour' else '0' end, \
      t.created_at, (lpad(to_hex(i), 12, '0') || '7000a000000000000000')::uuid, t.lane, t.priority, 1, 0, t.live, \
      t.body, true \
    from generate_series(1, 2000 + :rows / 10) i, skep.tasks t where t.block = :first";
/// What a vacuum says of a table in which everything has ended, when it cannot give the pages back.
const COUNT_EMPTY: &str = "\
    create temporary table kept as select * from skep.tasks; :fill; delete from skep.tasks; \
    vacuum (analyze, truncate off) skep.tasks; insert into skep.tasks select * from kept";

/// What is wrong with a plan: whoever reads all of `tasks`, or of an index of it, or sorts or hashes it.
fn flaws(plan: &Value) -> Vec<String> {
    let kind = plan["Node Type"].as_str().unwrap_or_default();
    let mut flaws: Vec<String> = below(plan).flat_map(flaws).collect();
    if matches!(kind, "Seq Scan" | "Bitmap Heap Scan") && plan["Relation Name"] == "tasks" {
        flaws.push(format!("{kind} on tasks"));
    }
    let walks = kind.starts_with("Index") && plan.get("Index Cond").is_none();
    if walks && plan["Relation Name"] == "tasks" {
        flaws.push(format!("{kind} of all entries of {}", plan["Index Name"]));
    }
    if ["Sort", "Incremental Sort", "Hash", "Hash Join"].contains(&kind) && reads_tasks(plan) {
        flaws.push(format!("{kind} over tasks"));
    }
    flaws
}

fn below(plan: &Value) -> impl Iterator<Item = &Value> {
    plan["Plans"].as_array().into_iter().flatten()
}

fn reads_tasks(plan: &Value) -> bool {
    plan["Relation Name"] == "tasks" && plan["Node Type"] != "ModifyTable" || below(plan).any(reads_tasks)
}

/// The plans in a log, each with its statement.
fn plans(log: &str) -> Vec<(String, Value)> {
    let texts = log.split("  plan:\n").skip(1).map(|text| {
        let lines = text.lines().take_while(|line| line.starts_with('\t'));
        lines.map(|line| line.trim_start_matches('\t')).collect::<Vec<_>>().join("\n")
    });
    let parsed = texts.filter_map(|text| serde_json::from_str::<Value>(&text).ok());
    parsed
        .map(|plan| (plan["Query Text"].as_str().unwrap_or_default().to_owned(), plan["Plan"].clone()))
        .collect()
}

fn found(log: &str) -> Vec<String> {
    let of = |(statement, plan): (String, Value)| {
        flaws(&plan).into_iter().map(move |flaw| format!("{flaw}: {}", statement.trim()))
    };
    plans(log).into_iter().flat_map(of).collect()
}

/// A backlog on a database that explains itself; of which the server knows nothing, or believes that it is empty.
async fn backlog(counted_empty: bool) -> Rig {
    let mut rig = Rig::new().await;
    rig.submit(1, true).await;
    let mut connection = rig.connection().await;
    let sql = "select current_database()::text, quote_literal(block) from skep.tasks";
    let row = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
    let (name, first): (String, String) = (row.get(0), row.get(1));
    let rows = std::env::var("SKEP_GATE_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(ROWS);
    let fill = FILL.replace(":rows", &rows.to_string());
    if counted_empty {
        for statement in COUNT_EMPTY.replace(":fill", &fill).split(';') {
            run(&mut connection, statement).await;
        }
    }
    run(&mut connection, fill).await;
    run(&mut connection, SCHEDULE.replace(":rows", &rows.to_string()).replace(":first", &first)).await;
    run(&mut connection, EXPLAIN.replace(":db", &name)).await;
    rig.reopen();
    rig
}

#[tokio::test]
async fn a_backlog_is_walked_and_never_read_whole() {
    for counted_empty in [false, true] {
        let mut rig = backlog(counted_empty).await;
        for analyzed in [false, true] {
            if analyzed {
                run(&mut rig.connection().await, "set auto_explain.log_min_duration = -1; analyze").await;
                rig.reopen();
            }
            let before = SERVER.log().len();
            let claims = rig.pump(ROOM).await;
            assert_eq!(claims.len(), ROOM);
            rig.settle(&claims).await;
            let log = SERVER.log().split_off(before);
            let about = |name: &str| plans(&log).iter().filter(|(text, _)| text.contains(name)).count();
            assert!(
                about("for update skip locked") > 0 && about("delete from tasks") > 0,
                "they are explained"
            );
            assert!(analyzed || about("set later = false") > 0, "what is due was promoted");
            assert_eq!(
                found(&log),
                Vec::<String>::new(),
                "counted empty: {counted_empty}, analyzed: {analyzed}"
            );
        }
    }
}

/// What is due, found by its place or by all that is scheduled, as the server likes.
const PROMOTE: &str = "\
    create function worse(most int) returns void language plpgsql set enable_seqscan = off as $$ begin \
      update skep.tasks set later = false where later and ctid = any(array(\
        select ctid from skep.tasks where later and run_at <= skep.now() order by run_at limit most)); end $$";

#[tokio::test]
async fn a_look_at_all_that_is_scheduled_is_seen() {
    let rig = backlog(true).await;
    let mut connection = rig.connection().await;
    run(&mut connection, PROMOTE).await;
    let before = SERVER.log().len();
    run(&mut connection, "select worse(1000)").await;
    let log = SERVER.log().split_off(before);
    assert!(
        found(&log).iter().any(|flaw| flaw.contains("of all entries of \"tasks_due\"")),
        "{:?}",
        found(&log)
    );
}

/// What is wrong with a plan of a merged walk: whoever reads a whole lane, or sorts it. The merge itself sorts
/// what was read, and rows of one block are put in order as they come.
fn flaws_of_a_merge(plan: &Value) -> Vec<String> {
    let kind = plan["Node Type"].as_str().unwrap_or_default();
    let mut flaws: Vec<String> = below(plan).flat_map(flaws_of_a_merge).collect();
    if matches!(kind, "Seq Scan" | "Bitmap Heap Scan") && plan["Relation Name"] == "tasks" {
        flaws.push(format!("{kind} on tasks"));
    }
    if kind == "Sort" && below(plan).any(|below| below["Relation Name"] == "tasks") {
        flaws.push("Sort of a lane".to_owned());
    }
    flaws
}

#[tokio::test]
async fn a_queue_that_promotes_merges_what_it_walks() {
    let mut rig = backlog(false).await;
    rig.promote(std::time::Duration::from_secs(1)).await;
    for analyzed in [false, true] {
        if analyzed {
            run(&mut rig.connection().await, "set auto_explain.log_min_duration = -1; analyze").await;
            rig.reopen();
        }
        let before = SERVER.log().len();
        assert_eq!(rig.pump(ROOM).await.len(), ROOM);
        let log = SERVER.log().split_off(before);
        let all = plans(&log);
        assert!(all.iter().any(|(text, _)| text.contains("counts_as")), "it is explained");
        let flaws: Vec<String> = all.iter().flat_map(|(_, plan)| flaws_of_a_merge(plan)).collect();
        assert_eq!(flaws, Vec::<String>::new(), "analyzed: {analyzed}");
    }
}

/// The claim as most write it: a join with a limit that is not known when it is planned.
const JOIN: &str = "\
    create function worse(most int) returns void language plpgsql set plan_cache_mode = force_generic_plan as $$ begin \
      update skep.tasks t set held = true from (\
        select block, low from skep.tasks where not later and not held order by priority, run_at, seq limit most \
        for update skip locked) s \
      where t.block = s.block and t.low = s.low; end $$";

#[tokio::test]
async fn a_claim_that_reads_the_whole_backlog_is_seen() {
    let rig = backlog(false).await;
    let mut connection = rig.connection().await;
    run(&mut connection, format!("{JOIN}; analyze skep.tasks")).await;
    let before = SERVER.log().len();
    run(&mut connection, "select worse(1000)").await;
    let log = SERVER.log().split_off(before);
    assert!(found(&log).iter().any(|flaw| flaw.starts_with("Seq Scan on tasks")), "{:?}", found(&log));
}

/// A few endings that were not as hoped for, among many that were.
const ENDED: &str = "\
    insert into skep.finished (block, lane, members, state, priority, seq, run_at, created_at, finished_at, \
      expires_at, attempts, losses, interruptions, fence) \
    select (lpad(to_hex(i), 12, '0') || '70008000000000000000')::uuid, t.lane, t.live, \
      case when i % 10000 = 0 then 4 else 3 end, 3, nextval('skep.order_of_submission'), t.run_at, t.created_at, \
      t.run_at, t.run_at + interval '1 day', 1, 0, 0, 1 \
    from generate_series(1, 50000) i, skep.tasks t";

/// Which indexes of terminal tasks a plan reads, and which of their tables it reads whole.
fn reads_ended(plan: &Value) -> Vec<String> {
    let text = |key: &str| plan[key].as_str().unwrap_or_default().to_owned();
    let whole = (text("Node Type") == "Seq Scan").then(|| text("Relation Name"));
    let read = [text("Index Name"), whole.unwrap_or_default()];
    let here = read.into_iter().filter(|name| name.starts_with("finished"));
    here.chain(below(plan).flat_map(reads_ended)).collect()
}

#[tokio::test]
async fn what_went_wrong_is_found_among_all_that_did_not() {
    let mut rig = Rig::new().await;
    rig.submit(1, true).await;
    let mut connection = rig.connection().await;
    run(&mut connection, ENDED).await;
    run(&mut connection, "vacuum analyze skep.finished").await;
    let sql = "select current_database()::text, array(select inhrelid::regclass::text from pg_inherits \
         where inhparent = 'skep.finished_odd'::regclass)";
    let row = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
    let (name, odd): (String, Vec<String>) = (row.get(0), row.get(1));
    run(&mut connection, EXPLAIN.replace(":db", &name)).await;
    rig.reopen();
    let before = SERVER.log().len();
    let five = "select 1 / (count(*) = 5)::int from skep.see_tasks('{4,5}', null, null, null, 100)";
    run(&mut rig.connection().await, five).await;
    let log = SERVER.log().split_off(before);
    let reads: Vec<String> = plans(&log).iter().flat_map(|(_, plan)| reads_ended(plan)).collect();
    let is_odd = |read: &String| odd.iter().any(|index| index.ends_with(&format!(".{read}")));
    assert!(!reads.is_empty() && reads.iter().all(is_odd), "{reads:?}, and not {odd:?}");
}
