//! Dispatch: from the local queue to a worker, in gulps, as many tasks as hands are free.

use std::sync::Arc;

use skep_queue::{Random, TaskType};
use tokio_util::sync::CancellationToken;

use crate::{
    local::Local,
    notes::Notes,
    policy::{self, Decision},
    spec::Specs,
    worker::{Headway, Run, Sink, Stop, Task, Verdict, Worker},
};

/// One step of the drone, for one worker.
pub(crate) struct Dispatch {
    pub(crate) worker: Arc<dyn Worker>,
    pub(crate) types: Vec<TaskType>,
    pub(crate) local: Local,
    pub(crate) verdicts: Arc<Verdicts>,
}

/// Takes verdicts, decides on them, and gives the decision to the local queue.
pub(crate) struct Verdicts {
    pub(crate) local: Local,
    pub(crate) specs: Arc<Specs>,
    pub(crate) random: Arc<dyn Random>,
    /// A heap a queue.
    pub(crate) notes: Vec<Arc<Notes>>,
}

impl Dispatch {
    /// Dispatches until told to stop; what was taken by then is started.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            let hands = tokio::select! {
                hands = self.worker.ready() => hands,
                () = stop.cancelled() => return,
            };
            let work = self.local.looks().work.notified();
            tokio::pin!(work);
            work.as_mut().enable();
            let tasks = self.local.take(&self.types, hands, self.worker.in_process()).await;
            if tasks.is_empty() {
                tokio::select! {
                    () = work => continue,
                    () = stop.cancelled() => return,
                }
            }
            let sink: Arc<dyn Sink> = self.verdicts.clone();
            let runs = tasks.into_iter().map(|(task, signal)| Run::new(task, signal, Arc::clone(&sink)));
            self.worker.start(runs.collect());
        }
    }
}

impl Sink for Verdicts {
    fn finish(&self, task: &Task, stop: Option<Stop>, mut verdict: Verdict) {
        if let Verdict::Done { submit, .. } = &mut verdict {
            // A link that nobody here can run goes through the queue, to a drone that can.
            let served = |task_type| self.specs.get(task_type).is_some();
            submit.iter_mut().for_each(|follow| follow.local &= served(&follow.task_type));
        }
        // Only a retry is jittered, and randomness is a system call.
        let failed = matches!(verdict, Verdict::Failed { .. });
        let chance = if failed { self.random.fraction() } else { 0.0 };
        let fallback = policy::Policy::default();
        let policy = self.specs.get(&task.task_type).map_or(&fallback, |spec| &spec.policy);
        let decision = policy::decide(task, stop, verdict, policy, chance);
        if let Decision::End(outcome) = &decision
            && let Some(failure) = outcome.failure()
        {
            tracing::info!(task = %task.id, task_type = %task.task_type, attempt = task.attempt,
                of = task.of, cause = failure.cause.as_str(), error = failure.error, "not done");
        }
        self.local.finish(task, decision);
    }

    fn heard(&self, task: &Task, headway: Headway) {
        if let Some(notes) = self.notes.get(task.slot.source) {
            notes.tell(task, headway);
        }
    }
}
