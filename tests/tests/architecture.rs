//! The source tree, read as text: each rule of the house over every file, and each rule shown to fail.

use skep_tests::house::{self, Finding, Source};

type Rule = fn(&Source) -> Vec<Finding>;

const RULES: [(&str, Rule); 10] = [
    ("rusqlite only below skep-sqlite", embedded),
    ("sqlx only below skep-postgres", postgres),
    ("SQL only in its crates, the local queue and the spool", house::sql),
    ("the words depend on nothing of ours, and backends on nothing but the words", house::manifest),
    ("steps do not know one another", house::steps),
    ("one file names all backends", house::backends_named),
    ("unsafe code only in the plumbing", house::unsafe_code),
    ("time, chance and tasks come from adapters", house::clocks),
    ("nothing is left unfinished", house::unfinished),
    ("modules are named for what is in them", house::buckets),
];

fn embedded(file: &Source) -> Vec<Finding> {
    house::driver(file, "rusqlite", "queue-backends/sqlite/")
}

fn postgres(file: &Source) -> Vec<Finding> {
    // The handler of a test drone writes to a database of its own, as a user's does.
    if file.below(&["tests/"]) {
        return Vec::new();
    }
    house::driver(file, "sqlx", "queue-backends/postgres/")
}

fn show(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("\n  {finding}")).collect()
}

#[test]
fn every_rule_holds_in_every_file() {
    let files = house::sources(&house::root()).unwrap();
    assert!(files.len() > 100, "the tree was found");
    let mut broken = String::new();
    for (name, rule) in RULES.iter().chain(&[("no paths of one machine", house::machine_paths as Rule)]) {
        let findings: Vec<Finding> = files.iter().flat_map(rule).collect();
        if !findings.is_empty() {
            broken += &format!("\n{name}:{}", show(&findings));
        }
    }
    assert!(broken.is_empty(), "{broken}");
}

#[test]
fn files_and_functions_are_short() {
    let sizes = house::sizes(&house::sources(&house::root()).unwrap());
    eprintln!(
        "{} files, over {} lines: {}{}",
        sizes.files,
        house::LONG_FILE,
        sizes.long_files.len(),
        show(&sizes.long_files)
    );
    eprintln!(
        "{} functions, over {} lines: {}{}",
        sizes.functions,
        house::LONG_FUNCTION,
        sizes.long_functions.len(),
        show(&sizes.long_functions)
    );
    assert!(sizes.too_long.is_empty(), "too long:{}", show(&sizes.too_long));
}

/// A rule must find exactly this line, and nothing once the file lies where it may.
fn finds(rule: Rule, path: &str, text: &str, line: usize) {
    let findings = rule(&Source::new(path, text));
    assert_eq!(findings.iter().map(|f| f.line).collect::<Vec<_>>(), [line], "{path}: {text:?}");
}

fn passes(rule: Rule, path: &str, text: &str) {
    assert_eq!(rule(&Source::new(path, text)), [], "{path}: {text:?}");
}

#[test]
fn drivers_are_found_outside_their_crates() {
    finds(embedded, "drone/src/x.rs", "fn a() {}\nuse rusqlite::Connection;\n", 2);
    finds(embedded, "drone/Cargo.toml", "[dependencies]\nrusqlite = \"1\"\n", 2);
    finds(embedded, "drone/Cargo.toml", "[dependencies]\nserde = \"1\"\nrusqlite.workspace = true\n", 3);
    passes(embedded, "queue-backends/sqlite/src/x.rs", "use rusqlite::Connection;");
    passes(embedded, "drone/src/x.rs", "// rusqlite is below\nlet x = \"rusqlite\";");
    finds(postgres, "drone/src/x.rs", "use sqlx::PgPool;", 1);
    passes(postgres, "queue-backends/postgres/src/x.rs", "use sqlx::PgPool;");
    passes(postgres, "tests/src/work.rs", "use sqlx::PgPool;");
}

#[test]
fn sql_is_found_outside_its_crates() {
    for sql in [
        "Select a FROM b",
        "insert INTO b values (1)",
        "update b set a = 1",
        "create table b (a)",
        "delete from b where 1",
    ] {
        let text = format!("\nlet sql = \"{sql}\";\n");
        finds(house::sql, "drone/src/console.rs", &text, 2);
        passes(house::sql, "drone/src/local/file.rs", &text);
        passes(house::sql, "drone/src/spool/file.rs", &text);
        finds(house::sql, "drone/src/cli/spool.rs", &text, 2);
        passes(house::sql, "queue-backends/sqlite/src/x.rs", &text);
        passes(house::sql, "drone/src/console.rs", &format!("// {sql}\n"));
    }
    passes(house::sql, "drone/src/x.rs", "let text = \"choose: select one, away from the others\";");
}

#[test]
fn manifests_are_read() {
    let bad = "[dependencies]\nskep-sqlite.workspace = true\n";
    finds(house::manifest, "queue-backends/queue/Cargo.toml", bad, 2);
    finds(house::manifest, "queue-backends/postgres/Cargo.toml", bad, 2);
    finds(house::manifest, "queue-backends/sqlite/Cargo.toml", "[dependencies]\nskep-drone = \"1\"\n", 2);
    finds(house::manifest, "queue-backends/queue/Cargo.toml", "[dependencies]\nrusqlite = \"1\"\n", 2);
    passes(house::manifest, "queue-backends/sqlite/Cargo.toml", "[dependencies]\nskep-queue = \"1\"\n");
    passes(house::manifest, "drone/Cargo.toml", bad);
}

#[test]
fn steps_that_know_one_another_are_found() {
    finds(house::steps, "drone/src/pump.rs", "use crate::settle::Settle;\n", 1);
    finds(
        house::steps,
        "drone/src/beat.rs",
        "\nuse crate::{\n    local::Local,\n    pump::PumpStep,\n};\n",
        2,
    );
    finds(house::steps, "drone/src/settle/outbox.rs", "let x = crate::dispatch::Dispatch;", 1);
    passes(house::steps, "drone/src/beat.rs", "use skep_queue::{Beat, beat::DEFAULT_TTL};\n");
    passes(house::steps, "drone/src/drone.rs", "use crate::{pump::PumpStep, settle::Settle};\n");
}

#[test]
fn backends_are_named_in_one_place() {
    finds(house::backends_named, "drone/src/cli/run.rs", "let q = skep_sqlite::SqliteQueue::open();", 1);
    passes(house::backends_named, "drone/src/backend.rs", "let q = skep_sqlite::SqliteQueue::open();");
    passes(house::backends_named, "drone/src/local/file.rs", "use skep_sqlite::{Db, Error};");
}

#[test]
fn unsafe_code_is_found_outside_the_plumbing() {
    finds(house::unsafe_code, "drone/src/x.rs", "#![forbid(unsafe_code)]\nunsafe { f() }", 2);
    passes(house::unsafe_code, "drone/src/plumbing/x.rs", "unsafe { f() }");
}

#[test]
fn clocks_chance_and_loose_tasks_are_found() {
    for call in
        ["Instant::now()", "SystemTime::now()", "rand::random()", "fastrand::u8(..)", "tokio::spawn(f)"]
    {
        finds(house::clocks, "drone/src/x.rs", &format!("\nlet x = {call};"), 2);
        passes(house::clocks, "queue-backends/queue/src/clock.rs", call);
        passes(house::clocks, "drone/src/x.rs", &format!("/// See {call}."));
    }
    passes(house::clocks, "drone/src/x.rs", "errand::Spawn; tracker.spawn(f); tokio::spawn_nothing();");
}

#[test]
fn what_is_unfinished_or_of_one_machine_is_found() {
    for mark in [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["unimplemented", "!()"], ["todo", "!()"]] {
        finds(house::unfinished, "docs/x.md", &format!("fine\n// {}\n", mark.concat()), 2);
    }
    let path = ["/ho", "me/ada/x"].concat();
    finds(house::machine_paths, "drone/src/x.rs", &format!("\nlet x = {path:?};"), 2);
    let inner = ["network/wo", "rk/x"].concat();
    passes(house::machine_paths, "drone/src/x.rs", &format!("let x = {inner:?};"));
}

#[test]
fn buckets_are_found() {
    finds(house::buckets, "drone/src/util.rs", "", 1);
    finds(house::buckets, "drone/src/common/x.rs", "", 1);
    finds(house::buckets, "drone/src/x.rs", "\npub mod helpers;\n", 2);
    passes(house::buckets, "drone/src/x.rs", "mod local;");
}

#[test]
fn lengths_are_measured() {
    let function = |lines: usize| format!("fn f() {{\n{}}}\n", "x;\n".repeat(lines - 2));
    let sizes = |text: &str| house::sizes(&[Source::new("drone/src/x.rs", text)]).too_long.len();
    assert_eq!(sizes(&"x;\n".repeat(300)), 0);
    assert_eq!(sizes(&"x;\n".repeat(301)), 1, "one file of one is more than 5 %");
    assert_eq!(sizes(&"x;\n".repeat(401)), 2, "and above what is allowed at all");
    assert_eq!(sizes(&function(40)), 0);
    assert_eq!(sizes(&function(41)), 1);
    assert_eq!(sizes(&function(71)), 2);
    let many = (0..20).map(|_| function(4)).collect::<String>() + &function(60);
    assert_eq!(sizes(&many), 0, "one of 21 may be long");
}
