//! The commented file is the documentation of the defaults: so it is held equal to the code.

use tempfile::TempDir;

use super::*;
use crate::{
    backend::Backends,
    config::{self, Origin, Sources, manager, raw},
};

const ALL: [Lang; 5] = [Lang::Python, Lang::Node, Lang::Perl, Lang::Bash, Lang::Rust];

fn args(lang: Lang, force: bool) -> Args {
    Args { lang, manager: false, force }
}

/// The file with every key that is behind a `#`.
fn uncommented(text: &str) -> toml::Table {
    let bare = text.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
        _ => line,
    });
    let bare = bare.collect::<Vec<_>>().join("\n");
    toml::from_str(&bare).unwrap_or_else(|error| panic!("{error}\n{bare}"))
}

#[test]
fn every_language_gets_a_file_that_is_good() {
    for lang in ALL {
        let folder = TempDir::new().unwrap();
        write(folder.path(), &args(lang, false)).unwrap();
        let sources = Sources {
            file: folder.path().join("skep.toml"),
            backend: Some((Origin::Default, "sqlite:./skep.db".into())),
            ..Sources::default()
        };
        let loaded = config::load(&sources, &Backends::builtin());
        if lang == Lang::Rust {
            let said = loaded.unwrap_err().to_string();
            assert!(
                said.ends_with("no worker: add [workers.NAME] with run.process = [\"program\"], or run.exec")
            );
            continue;
        }
        let loaded = loaded.unwrap();
        let worker = &loaded.config.workers[0];
        assert_eq!((worker.name.as_str(), worker.run.argv()[1].as_str()), ("hello", lang.file()));
        assert!(folder.path().join(lang.file()).exists() && loaded.notes.is_empty());
    }
}

#[test]
fn what_is_there_stays_unless_forced() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &args(Lang::Bash, false)).unwrap();
    fs::write(folder.path().join("worker.sh"), "mine").unwrap();
    let refused = format!("{:?}", write(folder.path(), &args(Lang::Python, false)).unwrap_err());
    assert!(refused.contains("there already: skep.toml; --force writes over it"), "{refused}");
    assert!(!folder.path().join("worker.py").exists(), "all or nothing");
    write(folder.path(), &args(Lang::Bash, true)).unwrap();
    assert_ne!(fs::read_to_string(folder.path().join("worker.sh")).unwrap(), "mine");
}

#[test]
fn every_default_that_is_shown_is_the_codes() {
    let shown = uncommented(&Lang::Python.config());
    let code = toml::Table::try_from(config::defaults()).unwrap();
    equal("", &code, &shown);
    let queue = &shown["queue"][0];
    assert_eq!(
        (queue["name"].as_str(), queue["url"].as_str()),
        (Some("default"), Some(crate::cli::DEFAULT_BACKEND))
    );
    // And it is a configuration, with all of it.
    let _: raw::File = shown.try_into().unwrap();
}

#[test]
fn a_managers_file_is_its_defaults_and_shows_every_key() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &Args { lang: Lang::Bash, manager: true, force: false }).unwrap();
    assert!(!folder.path().join("skep.toml").exists());
    let file = folder.path().join("manager.toml");
    let sources = manager::Sources { file: Some(file), ..manager::Sources::default() };
    let loaded = manager::load(&sources, &Backends::builtin()).unwrap_or_else(|error| panic!("{error}"));
    assert!(loaded.notes.is_empty());
    let shown = uncommented(MANAGER);
    equal("", &toml::Table::try_from(manager::defaults()).unwrap(), &shown);
    let schema = manager::schema();
    for (table, path) in [
        ("ManagerTable", &["manager"][..]),
        ("BackendTable", &["backend"]),
        ("LogTable", &["log"]),
        ("TypeTable", &["queues", "mail", "types", "newsletter"]),
        ("UserTable", &["users", "nobody"]),
    ] {
        let there = path.iter().fold(&toml::Value::Table(shown.clone()), |value, key| &value[*key]).clone();
        for key in schema["$defs"][table]["properties"].as_object().unwrap().keys() {
            assert!(there.get(key).is_some(), "{path:?} {key} is not shown");
        }
    }
    for key in schema["$defs"]["QueueTable"]["properties"].as_object().unwrap().keys() {
        let there = shown["all_queues"].get(key).or_else(|| shown["queues"]["mail"].get(key));
        assert!(there.is_some(), "{key} is not shown");
    }
}

fn equal(above: &str, code: &toml::Table, shown: &toml::Table) {
    for (key, value) in code {
        let name = format!("{above}{key}");
        let there = shown.get(key).unwrap_or_else(|| panic!("{name} is not shown"));
        match (value, there) {
            (toml::Value::Table(code), toml::Value::Table(shown)) => equal(&format!("{name}."), code, shown),
            _ => assert_eq!(value, there, "{name}"),
        }
    }
}

#[test]
fn every_key_of_the_schema_is_shown() {
    let (schema, shown) = (config::schema(), uncommented(&Lang::Python.config()));
    let shown = |path: &[&str]| {
        let start = toml::Value::Table(shown.clone());
        let found = path.iter().try_fold(start, |value, key| match value {
            toml::Value::Array(list) => list.first()?.get(*key).cloned(),
            value => value.get(*key).cloned(),
        });
        assert!(found.is_some(), "{path:?} is not shown");
    };
    let keys = |table: &serde_json::Value| -> Vec<String> {
        table["properties"].as_object().unwrap().keys().cloned().collect()
    };
    keys(&schema).iter().for_each(|key| shown(&[key]));
    for (name, table) in
        [("drone", "DroneTable"), ("local", "LocalTable"), ("log", "LogTable"), ("queue", "QueueTable")]
    {
        keys(&schema["$defs"][table]).iter().for_each(|key| shown(&[name, key]));
    }
    for key in keys(&schema["$defs"]["WorkerTable"]) {
        let worker = if key == "types" || key == "run" { "hello" } else { "defaults" };
        shown(&["workers", worker, &key]);
    }
    for (key, table) in [("limits", "Limits"), ("backoff", "BackoffTable")] {
        keys(&schema["$defs"][table]).iter().for_each(|inner| shown(&["workers", "defaults", key, inner]));
    }
    keys(&schema["$defs"]["Range"]).iter().for_each(|key| shown(&["workers", "script", "processes", key]));
    shown(&["workers", "script", "run", "exec"]);
    shown(&["workers", "overrides"]);
}
