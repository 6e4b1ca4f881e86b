//! From a configuration to a drone: the wiring, top to bottom.

use std::{collections::HashMap, sync::Arc};

use skep_queue::Backend;

use super::{Config, QueueConfig, RunConfig, Url, WorkerConfig};
use crate::{
    backend::Backends,
    builder::Builder,
    drone::{self, Drone},
    spool::Spool,
    worker::{ExecWorker, ProcessWorker, Worker},
};

/// Why a configured drone could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A backend could not be opened.
    #[error("cannot open {url}: {why}")]
    Backend {
        /// Which; it prints without its password.
        url: Url,
        /// What the backend says.
        why: String,
    },
    /// The drone could not be put together.
    #[error(transparent)]
    Drone(#[from] drone::Error),
}

impl Config {
    /// Opens the backends and builds the drone.
    ///
    /// A backend that is merely out of reach must open, and answer `Unavailable`: a drone starts without
    /// its queue.
    ///
    /// # Errors
    /// When a backend cannot be opened.
    pub async fn build(self, backends: &Backends) -> Result<Drone, BuildError> {
        let queues = open(&self.queues, &self.name, backends).await?;
        let mut builder = Drone::builder().name(self.name).life(self.life).local(self.local);
        let spool = Spool::new(self.spool, Arc::clone(&builder.deps().clock));
        for (queue, backend) in self.queues.iter().zip(queues) {
            builder = builder.queue(queue.label(), queue.name.clone(), backend);
            builder = builder.spool(queue.label(), spool.clone(), queue.url.reveal());
        }
        for worker in self.workers {
            builder = worker.build(builder);
        }
        Ok(builder.build()?)
    }
}

/// One backend a URL, however many of its queues are pumped.
pub(crate) async fn open(
    queues: &[QueueConfig],
    drone: &str,
    backends: &Backends,
) -> Result<Vec<Arc<dyn Backend>>, BuildError> {
    let mut opened: HashMap<&str, Arc<dyn Backend>> = HashMap::new();
    let mut all = Vec::new();
    for QueueConfig { url, .. } in queues {
        if !opened.contains_key(url.reveal()) {
            let backend = backends.open_for(url.reveal(), drone).await;
            let wrong = |why: String| BuildError::Backend { url: url.clone(), why: url.redact(&why) };
            opened.insert(url.reveal(), backend.map_err(wrong)?);
        }
        all.push(Arc::clone(&opened[url.reveal()]));
    }
    Ok(all)
}

impl QueueConfig {
    /// How the local file remembers it: without the password or key, which may change, and where that is.
    fn label(&self) -> String {
        let url = self.url.to_string();
        let (place, query) = url.split_once('?').unwrap_or((&url, ""));
        let key = if url.starts_with("skep:") { "key=" } else { "password_file=" };
        let stays = |pair: &&str| !pair.is_empty() && !pair.starts_with(key);
        let query: Vec<&str> = query.split('&').filter(stays).collect();
        let sign = if query.is_empty() { "" } else { "?" };
        format!("{place}{sign}{}#{}", query.join("&"), self.name)
    }
}

impl WorkerConfig {
    fn build(self, builder: Builder) -> Builder {
        let deps = builder.deps();
        let worker: Arc<dyn Worker> = match self.run {
            RunConfig::Process(config) => Arc::new(ProcessWorker::new(config, self.launch, &self.name, deps)),
            RunConfig::Exec(config) => Arc::new(ExecWorker::new(config, self.launch, &self.name, deps)),
        };
        builder.worker(worker, self.types, self.settings)
    }
}
