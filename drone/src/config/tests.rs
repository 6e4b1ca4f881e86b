//! What a configuration file means, and what is said of one that is wrong.

mod docs;
mod layers;
mod show;
mod wrong;

use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;
use crate::{local::Durability, policy::OnLeaseLost, worker::process};

/// A folder of files to read a configuration from.
struct Folder {
    dir: TempDir,
    sources: Sources,
}

impl Folder {
    fn new(text: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let sources = Sources {
            file: dir.path().join("skep.toml"),
            backend: Some((Origin::Default, "sqlite:/q.db".into())),
            ..Sources::default()
        };
        let folder = Self { dir, sources };
        folder.with("skep.toml", text)
    }

    fn with(self, name: &str, text: &str) -> Self {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn env(mut self, name: &str, text: &str) -> Self {
        self.sources.env.push((name.into(), text.into()));
        self
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn load(&self) -> Result<Loaded, Problems> {
        load(&self.sources, &Backends::builtin())
    }

    fn good(&self) -> Loaded {
        self.load().unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// All that is wrong, a line each, with paths as if the folder were the working folder.
    fn wrong(&self) -> Vec<String> {
        let problems = self.load().expect_err("something is wrong").to_string();
        self.local(&problems).lines().map(str::to_owned).collect()
    }

    fn local(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.path().display()), "")
    }
}

const FULL: &str = r#"
[drone]
name = "image-1"
ttl = "90s"
beat = 15
[local]
path = "local.db"
durability = "full"
max_hold = "2m"
ballast = "1MiB"
[[queue]]
url = "sqlite:q.db"
[[queue]]
url = "sqlite:/other.db"
name = "slow"
[workers.defaults]
env = { LANG = "C.UTF-8", A = "default" }
max_attempts = 3
options = { a = 1, b = 1 }
[workers.thumbnail]
types = ["thumb", "crop"]
prefix = "image."
processes = { min = 1, max = 8, idle = "30s" }
run.process = ["python3", "thumb.py"]
timeout = "30s"
backoff = { max = "1h" }
on_lease_lost = "cancel"
prefetch = 2
env = { A = "own" }
cwd = "work"
limits = { memory = "512MiB" }
options = { b = 2 }
[workers.script]
run.exec = ["sh", "-c", "true"]
[workers.overrides]
poison_after = 9
[spool]
path = "spool.db"
max_tasks = 7
"#;

#[test]
fn a_good_file_means_what_it_says() {
    let folder = Folder::new(FULL);
    let Loaded { config, notes, .. } = folder.good();
    let at = |name: &str| folder.path().join(name);
    assert_eq!(
        (config.name.as_str(), config.life.ttl.as_secs(), config.life.beat.as_secs()),
        ("image-1", 90, 15)
    );
    assert_eq!((config.local.path, config.local.durability), (at("local.db"), Durability::Full));
    assert_eq!((config.local.max_hold.as_secs(), config.local.ballast), (120, 1 << 20));
    assert_eq!(config.spool.path, at("spool.db"));
    assert_eq!(config.spool.bounds.map(|bounds| (bounds.tasks, bounds.bytes)), Some((7, 64 << 20)));
    let urls: Vec<_> =
        config.queues.iter().map(|queue| (folder.local(queue.url.reveal()), queue.name.as_str())).collect();
    assert_eq!(urls, [("sqlite:q.db".to_owned(), "default"), ("sqlite:/other.db".to_owned(), "slow")]);
    assert_eq!(
        folder.local(&notes.to_string()),
        "skep.toml:23:13: `processes`: idle scaling is not in this version: all 8 stay"
    );
}

#[test]
fn a_worker_lies_between_defaults_and_overrides() {
    let folder = Folder::new(FULL);
    let config = folder.good().config;
    let [script, thumbnail] = config.workers.as_slice() else { panic!("{:?}", config.workers) };
    let types: Vec<_> = thumbnail.types.iter().map(TaskType::as_str).collect();
    assert_eq!(types, ["image.thumb", "image.crop"]);
    assert_eq!((thumbnail.settings.prefetch, thumbnail.settings.timeout.map(|t| t.as_secs())), (2, Some(30)));
    let policy = &thumbnail.settings.policy;
    assert_eq!((policy.max_attempts, policy.poison_after, policy.on_lease_lost), (3, 9, OnLeaseLost::Cancel));
    assert_eq!(
        (policy.backoff.base.as_secs(), policy.backoff.power, policy.backoff.max.as_secs()),
        (1, 4, 3600)
    );
    let env: Vec<_> = thumbnail.launch.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["A=own", "LANG=C.UTF-8"]);
    assert_eq!(thumbnail.launch.cwd, Some(folder.path().join("work")));
    assert_eq!(thumbnail.launch.limits.memory, Some(512 << 20));
    let expected = process::Config {
        argv: vec!["python3".into(), "thumb.py".into()],
        processes: 8,
        options: serde_json::from_str(r#"{"a": 1, "b": 2}"#).unwrap(),
        ..process::Config::default()
    };
    assert_eq!(thumbnail.run, RunConfig::Process(expected));
    assert!(matches!(&script.run, RunConfig::Exec(exec) if exec.processes == 1 && exec.argv.len() == 3));
    assert_eq!((script.types[0].as_str(), script.launch.cwd.as_deref()), ("script", Some(folder.path())));
}

#[test]
fn nothing_said_is_what_the_code_says() {
    let folder = Folder::new("[workers.a]\nrun.process = [\"true\"]\n");
    let config = folder.good().config;
    assert_eq!(config.life, Life::default());
    assert_eq!(config.log, log::Config::default());
    let path = folder.path().join(format!("{}.local.db", config.name));
    assert_eq!(config.local, local::Config { path, ..local::Config::default() });
    let worker = &config.workers[0];
    assert_eq!(worker.settings, Settings::default());
    let cwd = Some(folder.path().to_owned());
    assert_eq!(worker.launch, Launch { cwd, ..Launch::default() });
    let process = process::Config { argv: vec!["true".into()], ..process::Config::default() };
    assert_eq!(worker.run, RunConfig::Process(process));
}
