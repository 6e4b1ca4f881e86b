//! The configuration of a manager: its own file, read as a drone's is, by the same rules.
//!
//! docs/configuration.md is the public text.

mod check;
pub mod raw;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf, absolute},
    str::FromStr,
};

use super::{
    Flag, Loaded, Problems, Url, check as shared, de, defaults as drone, layers,
    raw::{LogTable, Time},
    tree::{Node, Value},
};
use crate::{
    backend::{Backends, manager::server},
    cli::SPOOL_VARIABLE,
    log,
};

/// The file that is read when none is named, if it is there.
pub const FILE: &str = "manager.toml";
/// The queue of a manager that names none: a file of its own, beside its configuration.
pub const DEFAULT_BACKEND: &str = "sqlite:./manager.db";
/// Where a manager listens that does not say where.
pub const DEFAULT_LISTEN: &str = "unix:./skep.sock";
/// Its keys, when it does not say where they lie.
pub const DEFAULT_KEYS: &str = "./skep.keys";
/// The port of a manager.
pub const DEFAULT_PORT: u16 = 7676;

/// A manager, as its configuration describes it.
#[derive(Debug, Clone)]
pub struct Config {
    /// How it behaves.
    pub server: server::Config,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// The key ring.
    pub keys: PathBuf,
    /// The queue that it stands in front of.
    pub backend: Url,
    /// What it says of itself.
    pub log: log::Config,
}

/// A place to listen, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `unix:PATH`
    Unix(PathBuf),
    /// `tcp:HOST:PORT`; port 0 for any that is free.
    Tcp(String, u16),
}

/// What a configuration is read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file; none for one that is all defaults.
    pub file: Option<PathBuf>,
    /// The environment; only names like `SKEP_A__B` and `SKEP_LOG` are looked at.
    pub env: Vec<(String, String)>,
    /// Options of the command line, by the keys they stand for.
    pub flags: Vec<Flag>,
}

/// Every default that does not depend on the machine.
#[must_use]
pub fn defaults() -> raw::File {
    let config = server::Config::default();
    raw::File {
        manager: raw::ManagerTable {
            name: Some(config.name),
            listen: Some(vec![DEFAULT_LISTEN.into()]),
            keys: Some(DEFAULT_KEYS.into()),
            heartbeat: Some(Time(config.heartbeat)),
            reannounce: config.reannounce.map(Time),
        },
        backend: raw::BackendTable { url: Some(Url::new(DEFAULT_BACKEND)), ..raw::BackendTable::default() },
        log: LogTable {
            level: Some(log::DEFAULT_LEVEL.into()),
            format: Some(log::Format::default()),
            file: None,
        },
        all_queues: raw::QueueTable {
            capacity: config.limits.capacity.map(|bound| raw::Word(bound.to_string())),
            promote_after: config.limits.promote_after.map(|promote| raw::Word(promote.to_string())),
            retention: config.limits.retention.map(Time),
            ..raw::QueueTable::default()
        },
        ..raw::File::default()
    }
}

/// The JSON Schema of the file, without defaults: `skep init --manager` shows those.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(raw::File).to_value()
}

/// Reads a manager's configuration.
///
/// # Errors
/// With everything that is wrong in it, not only the first.
pub fn load(sources: &Sources, backends: &Backends) -> Result<Loaded<Config>, Problems> {
    let mut problems = Problems::default();
    let Some(node) = layered(sources, &mut problems) else { return Err(problems.sorted()) };
    let mut readable = node.clone();
    let (file, taken) = de::read::<raw::File>(&mut readable, &mut problems);
    let notes = Problems::default();
    let mut check = shared::Check { tree: &node, taken: &taken, backends, problems, notes };
    let config = check.manager(file);
    let (problems, notes) = (check.problems.sorted(), check.notes.sorted());
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded { config, notes, tree: node }),
        _ => Err(problems),
    }
}

/// The merged tree; none when there is a file that cannot be read.
fn layered(sources: &Sources, problems: &mut Problems) -> Option<Node> {
    let mut node = drone::tree(&defaults());
    let here = absolute(".").unwrap_or_default();
    if let Some(file) = &sources.file {
        let said = layers::read(file, "skep init --manager", problems)?;
        node.merge(said);
        anchor(&mut node, &layers::folder(file));
    }
    // The spool is the clients' and the drones'.
    let env: Vec<_> = sources.env.iter().filter(|(name, _)| name != SPOOL_VARIABLE).cloned().collect();
    layers::put_all_env(&mut node, &env, problems);
    layers::put_flags(&mut node, &sources.flags);
    anchor(&mut node, &here);
    Some(node)
}

/// Makes relative paths absolute.
fn anchor(node: &mut Node, folder: &Path) {
    for path in
        [&["manager", "keys"], &["log", "file"], &["backend", "url_file"], &["backend", "password_file"]]
    {
        layers::each(node, path, &mut |node| layers::anchor_path(node, folder));
    }
    layers::each(node, &["backend", "url"], &mut |node| layers::anchor_url(node, folder));
    layers::each(node, &["manager", "listen", "*"], &mut |node| {
        if let Some(path) = node.str().and_then(|text| text.strip_prefix("unix:")) {
            let path = absolute(folder.join(path)).unwrap_or_else(|_| folder.join(path));
            node.value = Value::Scalar(toml::Value::String(format!("unix:{}", path.display())));
        }
    });
}

// === impl Listen ===

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no place to listen: write unix:PATH or tcp:HOST:PORT, as in tcp:127.0.0.1:{DEFAULT_PORT}"
            )
        };
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        let place = text.strip_prefix("tcp:").ok_or_else(wrong)?;
        let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().map_err(|_| wrong())?;
        if host.is_empty() { Err(wrong()) } else { Ok(Self::Tcp(host.to_owned(), port)) }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "tcp:{host}:{port}"),
        }
    }
}
