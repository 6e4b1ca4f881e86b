//! The configuration of a drone: the sum of what its modules want to know, read from a file, what it
//! includes, the environment and the command line.
//!
//! ```text
//! layers ── tree ── de ── raw ── check ── Config ── build ── Drone
//! (merged, with places)   (as written)   (as meant)
//! ```
//!
//! docs/configuration.md is the public text.

mod build;
mod check;
mod de;
mod defaults;
mod include;
mod layers;
pub mod manager;
mod parse;
pub mod raw;
mod schema;
mod show;
mod source;
#[cfg(test)]
mod tests;
mod tree;
mod url;
mod wrong;

use std::fmt;

use skep_queue::{QueueName, TaskType};

pub use build::BuildError;
pub(crate) use build::open;
pub use defaults::defaults;
pub use layers::{Flag, Sources};
pub use schema::schema;
pub use source::{Origin, Problem, Problems};
pub use url::Url;

use crate::{
    backend::Backends,
    builder::Settings,
    drone::Life,
    local, log, spool,
    worker::{Launch, exec, process},
};

/// A drone, as its configuration describes it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name.
    pub name: String,
    /// The times of its life.
    pub life: Life,
    /// Its local queue.
    pub local: local::Config,
    /// What waits on this machine for its queues.
    pub spool: spool::Config,
    /// What it says of itself.
    pub log: log::Config,
    /// What it pumps.
    pub queues: Vec<QueueConfig>,
    /// What it runs.
    pub workers: Vec<WorkerConfig>,
}

/// A queue to pump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// The backend.
    pub url: Url,
    /// The queue's name within it.
    pub name: QueueName,
}

/// A worker, and what it serves.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// What logs call it.
    pub name: String,
    /// What it runs.
    pub types: Vec<TaskType>,
    /// Retries and limits.
    pub settings: Settings,
    /// How its processes are launched.
    pub launch: Launch,
    /// What they are.
    pub run: RunConfig,
}

/// What a worker runs.
#[derive(Debug, Clone, PartialEq)]
pub enum RunConfig {
    /// Processes that stay.
    Process(process::Config),
    /// One process per task.
    Exec(exec::Config),
}

/// A configuration that was read, and where everything in it comes from.
pub struct Loaded<C = Config> {
    /// What it means.
    pub config: C,
    /// What is not wrong, but worth knowing.
    pub notes: Problems,
    tree: tree::Node,
}

/// Reads a configuration.
///
/// # Errors
/// With everything that is wrong in it, not only the first.
pub fn load(sources: &Sources, backends: &Backends) -> Result<Loaded, Problems> {
    let (mut problems, mut notes) = (Problems::default(), Problems::default());
    let Some(tree) = layers::layered(sources, &mut problems, &mut notes) else {
        return Err(problems.sorted());
    };
    let mut readable = tree.clone();
    let (file, taken) = de::read::<raw::File>(&mut readable, &mut problems);
    let mut check = check::Check { tree: &tree, taken: &taken, backends, problems, notes };
    let config = check.file(file);
    let (problems, notes) = (check.problems.sorted(), check.notes.sorted());
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded { config, notes, tree }),
        _ => Err(problems),
    }
}

impl<C> Loaded<C> {
    /// The values that hold, as TOML; with `origin`, each line says where its value was said.
    #[must_use]
    pub fn show(&self, origin: bool) -> String {
        show::show(&self.tree, origin)
    }
}

/// Without the tree, which holds passwords as they were written.
impl<C: fmt::Debug> fmt::Debug for Loaded<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("config", &self.config).finish_non_exhaustive()
    }
}

impl RunConfig {
    /// The program and its arguments.
    #[must_use]
    pub fn argv(&self) -> &[String] {
        match self {
            Self::Process(config) => &config.argv,
            Self::Exec(config) => &config.argv,
        }
    }

    /// How many processes there are.
    #[must_use]
    pub fn processes(&self) -> usize {
        match self {
            Self::Process(config) => config.processes,
            Self::Exec(config) => config.processes,
        }
    }
}
