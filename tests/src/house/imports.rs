//! Rules about who may know whom.

use super::{Finding, Source};

/// The steps of a drone, which meet only in the local queue.
const STEPS: [&str; 5] = ["pump", "dispatch", "progress", "settle", "beat"];

/// A database driver, which only one crate may name.
#[must_use]
pub fn driver(file: &Source, driver: &str, home: &str) -> Vec<Finding> {
    if file.below(&[home]) || file.path == "Cargo.toml" {
        return Vec::new();
    }
    if file.path.ends_with("Cargo.toml") {
        let found = dependencies(file).filter(|(_, name)| *name == driver);
        return found.map(|(line, _)| file.finding(line, format!("{driver} outside {home}"))).collect();
    }
    file.lexed.uses(driver).map(|(line, _)| file.finding(line, format!("{driver} outside {home}"))).collect()
}

/// What a crate's manifest may not depend on.
#[must_use]
pub fn manifest(file: &Source) -> Vec<Finding> {
    let Some(folder) = file.path.strip_suffix("/Cargo.toml").and_then(|f| f.strip_prefix("queue-backends/"))
    else {
        return Vec::new();
    };
    let drivers = ["rusqlite", "sqlx", "tokio-postgres", "postgres", "libsqlite3-sys"];
    let allowed: &[&str] = if folder == "queue" { &[] } else { &["skep-queue", "skep-migrations"] };
    let bad = dependencies(file).filter(|(_, name)| {
        let ours = name.starts_with("skep-") && !allowed.contains(name) && *name != "skep-queue";
        ours || folder == "queue" && (drivers.contains(name) || *name == "skep-queue")
    });
    bad.map(|(line, name)| file.finding(line, format!("skep-{folder} may not depend on {name}"))).collect()
}

/// The dependencies of a manifest, with their lines; not those of its tests.
fn dependencies(file: &Source) -> impl Iterator<Item = (usize, &str)> {
    let mut section = "";
    file.text.lines().enumerate().filter_map(move |(index, line)| {
        if line.starts_with('[') {
            section = line.trim();
        }
        let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
        let plain = section.ends_with("dependencies]") && !section.contains("dev-");
        (plain && !name.is_empty() && !line.starts_with(['[', '#'])).then_some((index + 1, name))
    })
}

/// A step of the drone that knows another.
#[must_use]
pub fn steps(file: &Source) -> Vec<Finding> {
    let Some(own) = step(&file.path) else { return Vec::new() };
    let (mut found, mut statement, mut begun) = (Vec::new(), String::new(), 0);
    for (number, line) in file.lexed.lines() {
        if statement.is_empty() && line.trim_start().starts_with("use ") {
            begun = number;
        }
        if begun > 0 {
            statement += line;
            if line.contains(';') {
                found.extend(imported(&statement).filter(|name| *name != own).map(|name| (begun, name)));
                (statement, begun) = (String::new(), 0);
            }
        } else {
            let named = STEPS.into_iter().filter(|name| *name != own);
            found.extend(named.filter(|n| line.contains(&format!("crate::{n}::"))).map(|n| (number, n)));
        }
    }
    let finding = |(line, name)| file.finding(line, format!("the step {own} knows the step {name}"));
    found.into_iter().map(finding).collect()
}

fn step(path: &str) -> Option<&'static str> {
    let rest = path.strip_prefix("drone/src/")?;
    STEPS.into_iter().find(|step| rest == format!("{step}.rs") || rest.starts_with(&format!("{step}/")))
}

/// The steps that a `use` statement brings in from this crate.
fn imported(statement: &str) -> impl Iterator<Item = &'static str> {
    let path = statement.trim_start().trim_start_matches("use ").trim_start();
    let ours = ["crate", "super", "self"].iter().any(|root| path.starts_with(root));
    let names: Vec<&str> = path.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let known = |step: &&str| names.contains(step);
    let found: Vec<&str> = STEPS.into_iter().filter(known).collect();
    found.into_iter().filter(move |_| ours)
}

/// Backends that are named in the drone, elsewhere than in the one file that knows them all.
#[must_use]
pub fn backends_named(file: &Source) -> Vec<Finding> {
    if !file.below(&["drone/src/"]) || file.path == "drone/src/backend.rs" || file.is_test() {
        return Vec::new();
    }
    let named = ["SqliteQueue", "PostgresQueue", "skep_postgres", "skep_manager", "sqlite_url"];
    let uses = named.iter().flat_map(|name| file.lexed.uses(name).map(move |(line, _)| (line, name)));
    uses.map(|(line, name)| file.finding(line, format!("{name} outside backend.rs"))).collect()
}
