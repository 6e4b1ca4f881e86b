//! The public text, the schema and the commented file, held equal to the code.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

/// The sections of docs/configuration.md, and the tables of the schema that they are about.
const SECTIONS: [(&str, &str); 7] = [
    ("Top level", ""),
    ("`[drone]`", "DroneTable"),
    ("`[local]`", "LocalTable"),
    ("`[spool]`", "SpoolTable"),
    ("`[log]`", "LogTable"),
    ("`[[queue]]`", "QueueTable"),
    ("`[workers.NAME]`", "WorkerTable"),
];

fn properties(table: &str) -> serde_json::Map<String, Value> {
    let schema = schema();
    let of = if table.is_empty() { &schema } else { &schema["$defs"][table] };
    of["properties"].as_object().unwrap().clone()
}

/// Keys of a section, with what its column of defaults says.
fn documented(text: &str, section: &str) -> BTreeMap<String, String> {
    let body =
        text.split("\n## ").find(|body| body.starts_with(section)).unwrap_or_else(|| panic!("{section}"));
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()?.trim().to_owned()))
    };
    body.lines().filter_map(row).collect()
}

#[test]
fn the_reference_has_every_key_with_its_default() {
    let text = include_str!("../../../../docs/configuration.md");
    for (section, table) in SECTIONS {
        let (documented, properties) = (documented(text, section), properties(table));
        let keys = |keys: Vec<&String>| keys.into_iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(keys(documented.keys().collect()), keys(properties.keys().collect()), "{section}");
        for (key, property) in properties {
            let Some(default) = property.get("default") else { continue };
            let default: toml::Value = serde_json::from_value(default.clone()).unwrap();
            assert_eq!(documented[&key], format!("`{default}`"), "{section} {key}");
        }
    }
}

#[test]
fn the_reference_has_every_key_of_a_manager_too() {
    let text = include_str!("../../../../docs/configuration.md");
    let (schema, defaults) = (manager::schema(), toml::Table::try_from(manager::defaults()).unwrap());
    for (section, table, default) in [
        ("`[manager]`", "ManagerTable", "manager"),
        ("`[backend]`", "BackendTable", "backend"),
        ("`[all_queues]`, `[queues.NAME]`", "QueueTable", "all_queues"),
        ("`[users.NAME]`", "UserTable", "users"),
    ] {
        let documented = documented(text, section);
        let keys: BTreeSet<_> = schema["$defs"][table]["properties"].as_object().unwrap().keys().collect();
        assert_eq!(documented.keys().collect::<BTreeSet<_>>(), keys, "{section}");
        for (key, value) in defaults.get(default).and_then(toml::Value::as_table).into_iter().flatten() {
            assert_eq!(documented[key], format!("`{value}`"), "{section} {key}");
        }
    }
}

#[test]
fn the_schema_knows_no_key_that_the_code_does_not() {
    let worker = properties("WorkerTable");
    let all = "timeout kill_after run env limits options on_lease_lost";
    assert!(all.split(' ').all(|key| worker.contains_key(key)), "{worker:?}");
    assert_eq!(schema()["$defs"]["WorkerTable"]["additionalProperties"], Value::Bool(false));
    let text = schema().to_string();
    assert!(!text.contains("null}") && !text.contains("\"default\":null"), "{text}");
}

#[test]
fn every_example_is_a_good_configuration() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/config");
    let mut count = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            let sources = Sources { file, ..Folder::new("").sources };
            load(&sources, &Backends::builtin()).unwrap_or_else(|problems| panic!("{problems}"));
            count += 1;
        }
    }
    assert!(count > 0, "there are examples");
}
