//! The tables of a configuration file, as they are written. Everything may be absent: what is, gets its
//! value from [`super::defaults`], which takes it from the code that uses it.

mod words;

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use words::{Later, Processes, Range, Size, Time};

use super::url::Url;
use crate::{local::Durability, log::Format, policy::OnLeaseLost, worker::Limits};

/// A drone's configuration file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// Further files, as in ["conf.d/*.toml"]; in the main file only. `*` stands for any part of a file's
    /// name; they are read in order of their names, a later one above an earlier.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// The drone itself.
    pub drone: DroneTable,
    /// Its local queue.
    pub local: LocalTable,
    /// Submissions that wait on this machine for their queue, which it delivers.
    pub spool: SpoolTable,
    /// What it says of itself.
    pub log: LogTable,
    /// The queues it pumps. With none it is that of `--backend`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queue: Vec<QueueTable>,
    /// What runs tasks, by name. `defaults` is below every worker, `overrides` above.
    pub workers: BTreeMap<String, WorkerTable>,
}

/// `[drone]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DroneTable {
    /// Its name; the host's when absent. Two drones should not share one.
    pub name: Option<String>,
    /// How long the queue waits for a silent drone before it gives its tasks to others.
    pub ttl: Option<Time>,
    /// How often it tells the queue that it lives.
    pub beat: Option<Time>,
    /// How long a drain waits for what runs.
    pub grace: Option<Time>,
    /// How long, after that, it waits for interrupted work to end and for the queue to take the outcomes.
    pub parting: Option<Time>,
}

/// `[local]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LocalTable {
    /// The file; `<drone's name>.local.db` when absent.
    pub path: Option<PathBuf>,
    /// When a commit waits for the disk: `auto` (while the backend cannot be reached), `full` or `normal`.
    pub durability: Option<Durability>,
    /// Work that waited here for so long is handed back, so that no drone hoards what another could run.
    pub max_hold: Option<Time>,
    /// Bytes kept aside for the day the disk is full; 0 for none.
    pub ballast: Option<Size>,
    /// Allow a network file system, whose locks may not hold.
    pub allow_network: Option<bool>,
}

/// `[spool]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpoolTable {
    /// The file; skep/spool.db in $XDG_STATE_HOME, or in ~/.local/state, or in /var/lib, when absent.
    pub path: Option<PathBuf>,
    /// Most tasks in it. Written into the file, for all who use it.
    pub max_tasks: Option<u64>,
    /// Most bytes in it. Written into the file, for all who use it.
    pub max_bytes: Option<Size>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogTable {
    /// `error`, `warn`, `info`, `debug`, `trace` or `off`; also by target, as in "info,skep::task=debug".
    pub level: Option<String>,
    /// `text` or `json`.
    pub format: Option<Format>,
    /// Append to this file; stderr when absent.
    pub file: Option<PathBuf>,
}

/// `[[queue]]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueTable {
    /// The backend, as in "sqlite:./skep.db".
    pub url: Option<Url>,
    /// A file that holds the URL, when it has a password.
    pub url_file: Option<PathBuf>,
    /// A file that holds the password of a postgres: URL; read again at each connection.
    pub password_file: Option<PathBuf>,
    /// A file that holds the key of a skep: URL, as `skep key new` writes it.
    pub key_file: Option<PathBuf>,
    /// The queue's name within the backend.
    pub name: Option<String>,
}

/// `[workers.NAME]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerTable {
    /// The task types it runs; its own name when absent.
    pub types: Option<Vec<String>>,
    /// Put before each type.
    pub prefix: Option<String>,
    /// How many processes: a number, or { min, max, idle }.
    pub processes: Option<Processes>,
    /// What it runs: `run.process` or `run.exec`, a program and its arguments.
    pub run: Option<Run>,
    /// How long a run may take; as long as it takes when absent.
    pub timeout: Option<Time>,
    /// The grace between asking a process to end, TERM and KILL.
    pub kill_after: Option<Time>,
    /// How long a process may take until its `hello`.
    pub start_timeout: Option<Time>,
    /// How long a process with work may be silent; for ever when absent.
    pub hung_timeout: Option<Time>,
    /// After how many tasks a process is replaced; never when absent.
    pub max_tasks: Option<u64>,
    /// Runs charged before a task is discarded, unless the task says otherwise.
    pub max_attempts: Option<u16>,
    /// How long to wait before the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffTable>,
    /// Crashes of the drone with a task that ran alone, before the task is discarded.
    pub poison_after: Option<u8>,
    /// What to do with a run whose claim may be another drone's: `continue`, `finish` or `cancel`.
    pub on_lease_lost: Option<OnLeaseLost>,
    /// Tasks held per process: the bound of the pump.
    pub prefetch: Option<usize>,
    /// The most tasks one process gets at once, whatever its `hello` offers.
    pub concurrency: Option<usize>,
    /// Variables beside the allow-list (PATH, HOME, LANG, LANGUAGE, TZ, TMPDIR, LC_*).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The folder it runs in; the configuration file's when absent.
    pub cwd: Option<PathBuf>,
    /// The user it becomes, by name or number; the drone's own when absent. Needs root.
    pub user: Option<String>,
    /// The group it becomes; the user's own when absent.
    pub group: Option<String>,
    /// Bounds that the kernel holds, for each process; none when absent.
    #[serde(skip_serializing_if = "none_set")]
    pub limits: Limits,
    /// Whether setuid programs stay without effect below it.
    pub no_new_privileges: Option<bool>,
    /// Sent to each process as `setup`, before anything else.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub options: serde_json::Map<String, serde_json::Value>,
}

/// What a worker runs: exactly one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    /// Processes that stay, and speak worker wire 1.
    Process(Vec<String>),
    /// One process per task: the payload on stdin, the outcome by exit code.
    Exec(Vec<String>),
    /// Not in this version.
    #[schemars(skip)]
    Http(Later),
    /// Not in this version.
    #[schemars(skip)]
    Prefork(Later),
}

/// `base * attempt^power`, at most `max`, plus up to a tenth at random.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BackoffTable {
    /// The delay after the first attempt.
    pub base: Option<Time>,
    /// How steeply it grows.
    pub power: Option<u32>,
    /// Where it stops.
    pub max: Option<Time>,
}

fn none_set(limits: &Limits) -> bool {
    *limits == Limits::default()
}
