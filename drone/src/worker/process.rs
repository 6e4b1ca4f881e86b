//! A pool of long-lived processes that speak [worker wire 1](super::wire).
//!
//! Each slot keeps one process alive: `keep` starts it again, `serve` owns one process from its start to
//! its end, and the pool knows which hands are free. Their number is fixed; to scale it is to open and
//! close slots.

use std::{
    sync::{Arc, Mutex, Once, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::{Deps, Launch, Run, Verdict, Worker};
use crate::duration;

mod flight;
mod keep;
mod pool;
mod serve;
mod start;

pub(super) use keep::pause;
use pool::Pool;

/// What the processes run, and how they are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The program and its arguments; no shell reads them.
    pub argv: Vec<String>,
    /// How many processes.
    pub processes: usize,
    /// The most tasks one process gets at once, whatever its `hello` offers.
    pub concurrency: usize,
    /// How long a process may take until its `hello`.
    #[serde(with = "duration::text")]
    pub start_timeout: Duration,
    /// The grace between asking, TERM and KILL.
    #[serde(with = "duration::text")]
    pub kill_after: Duration,
    /// How long a process with work may be silent; for ever when absent.
    #[serde(with = "duration::text::option", skip_serializing_if = "Option::is_none")]
    pub hung_timeout: Option<Duration>,
    /// After how many tasks a process is replaced; never when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tasks: Option<u64>,
    /// Sent to each process as `setup`, before anything else.
    pub options: serde_json::Map<String, serde_json::Value>,
}

/// Runs tasks in a pool of processes.
pub struct ProcessWorker {
    pool: Arc<Pool>,
    tracker: TaskTracker,
    begun: Once,
    keepers: Mutex<Vec<JoinHandle<()>>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            argv: Vec::new(),
            processes: 1,
            concurrency: 64,
            start_timeout: Duration::from_secs(10),
            kill_after: Duration::from_secs(5),
            hung_timeout: None,
            max_tasks: None,
            options: serde_json::Map::new(),
        }
    }
}

// === impl ProcessWorker ===

impl ProcessWorker {
    /// `name` is what logs and `SKEP_WORKER` call the worker. Its processes start when it is first asked
    /// whether it is ready.
    #[must_use]
    pub fn new(config: Config, launch: Launch, name: &str, deps: Deps) -> Self {
        let tracker = deps.tracker.clone();
        let pool = Arc::new(Pool::new(config, launch, name, deps));
        Self { pool, tracker, begun: Once::new(), keepers: Mutex::default() }
    }

    /// Starts the processes, the first time. Must be called within a tokio runtime.
    pub fn begin(&self) {
        self.begun.call_once(|| {
            let keeper = |slot| self.tracker.spawn(keep::keep(Arc::clone(&self.pool), slot));
            let keepers = (0..self.pool.config.processes).map(keeper);
            self.keepers.lock().unwrap_or_else(PoisonError::into_inner).extend(keepers);
        });
    }
}

#[async_trait]
impl Worker for ProcessWorker {
    fn hands(&self) -> usize {
        self.pool.hands()
    }

    async fn ready(&self) -> usize {
        self.begin();
        self.pool.ready().await
    }

    fn start(&self, runs: Vec<Run>) {
        for run in runs {
            if let Some(run) = self.pool.hand_out(run) {
                run.finish(Verdict::NotStarted);
            }
        }
    }

    fn in_process(&self) -> bool {
        false
    }

    fn degraded(&self) -> Option<String> {
        self.pool.degraded()
    }

    async fn stop(&self) {
        self.pool.halt.cancel();
        let keepers: Vec<_> = {
            let mut keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
            keepers.drain(..).collect()
        };
        for keeper in keepers {
            // It can only fail by a panic, which has ended it as well.
            let _ = keeper.await;
        }
    }
}

impl Drop for ProcessWorker {
    fn drop(&mut self) {
        self.pool.halt.cancel();
    }
}
