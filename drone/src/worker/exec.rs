//! One process per task, for scripts that know nothing of skep: the payload on stdin, the outcome by exit
//! code. docs/worker-protocol.md has the public text.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{Deps, Launch, Run, Verdict, Worker};
use crate::duration;

mod once;

use once::Once;

/// What is run, and how many at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The program and its arguments; no shell reads them, and no task changes them.
    pub argv: Vec<String>,
    /// How many run at once.
    pub processes: usize,
    /// The grace between TERM and KILL.
    #[serde(with = "duration::text")]
    pub kill_after: Duration,
}

/// Runs each task in a process of its own.
pub struct ExecWorker {
    once: Arc<Once>,
    hands: Arc<Semaphore>,
    halt: CancellationToken,
    processes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { argv: Vec::new(), processes: 1, kill_after: Duration::from_secs(5) }
    }
}

// === impl ExecWorker ===

impl ExecWorker {
    /// `name` is what logs and `SKEP_WORKER` call the worker.
    #[must_use]
    pub fn new(config: Config, launch: Launch, name: &str, deps: Deps) -> Self {
        let processes = config.processes.clamp(1, Semaphore::MAX_PERMITS >> 32);
        let hands = Arc::new(Semaphore::new(processes));
        let halt = CancellationToken::new();
        Self { once: Arc::new(Once::new(config, launch, name, deps)), hands, halt, processes }
    }

    async fn run(once: Arc<Once>, run: Run, hand: OwnedSemaphorePermit, halt: CancellationToken) {
        if let Err(pause) = once.run(run).await {
            // It was not the task's fault: the hand rests, so that the next does not meet the same at once.
            tokio::select! {
                () = halt.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        drop(hand);
    }
}

#[async_trait]
impl Worker for ExecWorker {
    fn hands(&self) -> usize {
        self.processes
    }

    async fn ready(&self) -> usize {
        match self.hands.acquire().await {
            // The permit only proves that there is one: it is given back at once.
            Ok(permit) => {
                drop(permit);
                self.hands.available_permits().max(1)
            }
            Err(_) => std::future::pending().await,
        }
    }

    fn start(&self, runs: Vec<Run>) {
        for run in runs {
            match self.hands.clone().try_acquire_owned() {
                Ok(hand) => {
                    let (once, halt) = (self.once.clone(), self.halt.clone());
                    self.once.deps.tracker.spawn(Self::run(once, run, hand, halt));
                }
                Err(_) => run.finish(Verdict::NotStarted),
            }
        }
    }

    fn in_process(&self) -> bool {
        false
    }

    fn degraded(&self) -> Option<String> {
        self.once.degraded()
    }

    async fn stop(&self) {
        self.halt.cancel();
        let all = u32::try_from(self.processes).unwrap_or(u32::MAX);
        // All hands free means that nothing runs; it fails only if somebody closed the semaphore.
        let _ = self.hands.acquire_many(all).await;
    }
}
