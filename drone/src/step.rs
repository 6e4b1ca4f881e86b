//! A step of the drone as a set of tasks that end together.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::task::AbortHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Tasks of one kind, and how to end them.
#[derive(Default)]
pub(crate) struct Step {
    tasks: TaskTracker,
    stop: CancellationToken,
    aborts: Mutex<Vec<AbortHandle>>,
}

impl Step {
    /// Runs until its stop says so.
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        run: impl FnOnce(CancellationToken) -> F,
    ) {
        let task = self.tasks.spawn(run(self.stop.clone()));
        self.aborts.lock().unwrap_or_else(PoisonError::into_inner).push(task.abort_handle());
    }

    /// Stops them, and returns when they have ended.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// For steps whose calls are repeatable, and so may be dropped.
    pub(crate) async fn end_within(&self, limit: Duration) {
        if tokio::time::timeout(limit, self.end()).await.is_err() {
            self.aborts.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(AbortHandle::abort);
            self.tasks.wait().await;
        }
    }
}
