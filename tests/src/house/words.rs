//! Rules about what may be written where.

use super::{Finding, Source};

/// Where SQL belongs.
const SQL_PLACES: [&str; 5] = [
    "migrations/",
    "queue-backends/sqlite/",
    "queue-backends/postgres/",
    "drone/src/local",
    "drone/src/spool/",
];
/// Who reads the clock, makes randomness, or spawns without a tracker, for everybody else.
const ADAPTERS: [&str; 1] = ["queue-backends/queue/src/clock.rs"];
/// Calls that belong into an adapter: the word, and what follows.
const ADAPTED: [(&str, &str); 5] = [
    ("Instant", "::now"),
    ("SystemTime", "::now"),
    ("rand", "::"),
    ("fastrand", "::"),
    ("tokio", "::spawn("),
];

/// SQL text outside the crates that own it. Tests may look into files, and send SQL where it must not work.
#[must_use]
pub fn sql(file: &Source) -> Vec<Finding> {
    if !file.is_rust() || file.below(&SQL_PLACES) || file.is_test() {
        return Vec::new();
    }
    let bad = file.lexed.literals.iter().filter(|(_, text)| is_sql(text));
    bad.map(|(line, text)| file.finding(*line, format!("SQL outside its crates: {text:.40}"))).collect()
}

fn is_sql(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = |first: &str, then: &str| {
        words.iter().position(|w| *w == first).is_some_and(|at| words[at + 1..].contains(&then))
    };
    let pair = |first: &str, then: &str| words.windows(2).any(|w| w[0] == first && w[1] == then);
    let assigns = after("update", "set") && text.contains('=');
    // At the beginning: "select all of them from the list" in a sentence is no statement.
    let selects = words.first() == Some(&"select") && after("select", "from");
    selects || assigns || pair("insert", "into") || pair("create", "table") || pair("delete", "from")
}

/// `unsafe` outside the plumbing.
#[must_use]
pub fn unsafe_code(file: &Source) -> Vec<Finding> {
    if file.below(&["drone/src/plumbing"]) {
        return Vec::new();
    }
    file.lexed.uses("unsafe").map(|(line, _)| file.finding(line, "unsafe outside the plumbing")).collect()
}

/// Time, chance and loose tasks outside their adapters. Tests and benchmarks may measure.
#[must_use]
pub fn clocks(file: &Source) -> Vec<Finding> {
    if file.below(&ADAPTERS) || file.is_test() {
        return Vec::new();
    }
    let uses = ADAPTED.iter().flat_map(|(word, then)| {
        let uses = file.lexed.uses(word).filter(move |(_, rest)| rest.starts_with(then));
        uses.map(move |(line, _)| file.finding(line, format!("{word}{then} outside its adapter")))
    });
    uses.collect()
}

/// What was left for later.
#[must_use]
pub fn unfinished(file: &Source) -> Vec<Finding> {
    // Put together here, so that this file keeps its own rule.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["unimplemented", "!"], ["todo", "!"]];
    let marks = marks.map(|halves| halves.concat());
    let lines = file.text.lines().enumerate();
    let bad = lines.filter_map(|(index, line)| {
        let mark = marks.iter().find(|mark| marked(line, mark))?;
        Some(file.finding(index + 1, format!("left unfinished: {mark}")))
    });
    bad.collect()
}

/// Whether the mark stands there by itself: a placeholder such as that of an escape is a longer word.
fn marked(line: &str, mark: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(mark).any(|(at, _)| {
        !line[..at].ends_with(part) && (mark.ends_with('!') || !line[at + mark.len()..].starts_with(part))
    })
}

/// Modules that say nothing about what is in them.
#[must_use]
pub fn buckets(file: &Source) -> Vec<Finding> {
    const BUCKETS: [&str; 5] = ["util", "utils", "common", "helpers", "misc"];
    let name = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    let folder = file.path.rsplit('/').nth(1).unwrap_or_default();
    let mut found: Vec<Finding> = Vec::new();
    if file.is_rust() && (BUCKETS.contains(&name) || BUCKETS.contains(&folder)) {
        found.push(file.finding(1, "a module must say what is in it"));
    }
    for (line, rest) in file.lexed.uses("mod") {
        let name = rest.trim().trim_end_matches([';', '{', ' ']);
        if BUCKETS.contains(&name) {
            found.push(file.finding(line, "a module must say what is in it"));
        }
    }
    found
}

/// Paths of somebody's machine.
#[must_use]
pub fn machine_paths(file: &Source) -> Vec<Finding> {
    let homes = ["home", "root", "work", "Users"].map(|folder| format!("/{folder}/"));
    let lines = file.text.lines().enumerate();
    let begins = |line: &str, home: &str| {
        let part = |c: char| c.is_alphanumeric() || "_-.*~}".contains(c);
        line.match_indices(home).any(|(at, _)| !line[..at].ends_with(part))
    };
    let bad = lines.filter(|(_, line)| homes.iter().any(|home| begins(line, home)));
    bad.map(|(index, _)| file.finding(index + 1, "a path of one machine")).collect()
}
