//! From what is written to what is meant: the checks that a type cannot make.

mod queue;
mod worker;

use std::time::Duration;

use super::{
    Config,
    raw::{DroneTable, File, LocalTable, LogTable, SpoolTable},
    source::{Origin, Problems},
    tree::Node,
};
use crate::{backend::Backends, drone::Life, local, log, spool};

/// Checks one configuration; collects instead of stopping.
pub(super) struct Check<'a> {
    pub(super) tree: &'a Node,
    /// What was wrong already: that it is missing now is no second problem.
    pub(super) taken: &'a [Vec<String>],
    pub(super) backends: &'a Backends,
    pub(super) problems: Problems,
    pub(super) notes: Problems,
}

/// Takes a value when there is one.
fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

impl Check<'_> {
    pub(super) fn file(&mut self, file: File) -> Option<Config> {
        let name = file.drone.name.clone().unwrap_or_default();
        if name.is_empty() || name.chars().any(char::is_control) {
            self.problem(&["drone", "name"], "`name`: must not be empty, nor hold control characters");
        }
        let life = self.life(&file.drone);
        let local = local(&file.local);
        let spool = self.spool(&file.spool);
        let log = self.log(file.log);
        let queues = self.queues(&file.queue);
        let workers = self.workers(&file.workers);
        self.problems.is_empty().then_some(Config { name, life, local, spool, log, queues, workers })
    }

    fn life(&mut self, table: &DroneTable) -> Life {
        let mut life = Life::default();
        set(&mut life.ttl, table.ttl.map(|time| time.0));
        set(&mut life.beat, table.beat.map(|time| time.0));
        set(&mut life.grace, table.grace.map(|time| time.0));
        set(&mut life.parting, table.parting.map(|time| time.0));
        if life.beat.is_zero() {
            self.problem(&["drone", "beat"], "`beat`: must be longer than 0s, as in \"10s\"");
        }
        // One lost beat must not cost the lease.
        if life.ttl < life.beat * 2 {
            self.problem(&["drone", "ttl"], "`ttl`: must be at least twice `beat`: better six times");
        }
        if life.ttl < Duration::from_secs(1) {
            self.problem(&["drone", "ttl"], "`ttl`: must be at least 1s, as in \"60s\"");
        }
        life
    }

    /// Bounds that somebody said are for the file; those in it hold otherwise.
    fn spool(&mut self, table: &SpoolTable) -> spool::Config {
        let mut bounds = spool::Bounds::default();
        set(&mut bounds.tasks, table.max_tasks);
        set(&mut bounds.bytes, table.max_bytes.map(|size| size.0));
        let said = self.is_said(&["spool", "max_tasks"]) || self.is_said(&["spool", "max_bytes"]);
        let path = table.path.clone().unwrap_or_default();
        if path.as_os_str().is_empty() {
            self.problem(&["spool", "path"], "`path`: must not be empty");
        }
        spool::Config { bounds: said.then_some(bounds), ..spool::Config::at(path) }
    }

    pub(super) fn log(&mut self, table: LogTable) -> log::Config {
        let mut config = log::Config::default();
        set(&mut config.level, table.level);
        set(&mut config.format, table.format);
        config.file = table.file;
        if let Err(error) = log::level(&config.level) {
            self.problem(&["log", "level"], &format!("`level`: {error}"));
        }
        config
    }

    /// Something is wrong with the value at `path`.
    pub(super) fn problem(&mut self, path: &[&str], text: &str) {
        if !self.is_taken(path) {
            self.problems.add(&self.tree.origin(path), text);
        }
    }

    pub(super) fn note(&mut self, path: &[&str], text: &str) {
        self.notes.add(&self.tree.origin(path), text);
    }

    /// Whether something at or below `path`, or a list above it, was wrong already.
    fn is_taken(&self, path: &[&str]) -> bool {
        self.taken.iter().any(|taken| taken.iter().zip(path).all(|(a, b)| a == b))
    }

    /// Whether somebody said it.
    pub(super) fn is_said(&self, path: &[&str]) -> bool {
        self.tree.get(path).is_some_and(|node| node.at != Origin::Default)
    }
}

fn local(table: &LocalTable) -> local::Config {
    let mut config = local::Config::default();
    set(&mut config.path, table.path.clone());
    set(&mut config.durability, table.durability);
    set(&mut config.max_hold, table.max_hold.map(|time| time.0));
    set(&mut config.ballast, table.ballast.map(|size| size.0));
    set(&mut config.allow_network, table.allow_network);
    config
}
