//! The tasks in the hands of one process.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use skep_queue::{Cause, Failure, TaskId};
use tokio::time::sleep;

use crate::{
    duration::Written,
    worker::{
        Headway, Retry, Run, Verdict,
        ladder::{Nudge, nudge},
        wire::{Fail, MAX_RESULT, Reply},
    },
};

/// What is to become of a task whose process ends before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Open,
    Stopping,
    TimedOut(Duration),
    Hung(Duration),
}

pub(super) struct Flight {
    run: Run,
    pub(super) fate: Fate,
    watch: Pin<Box<dyn Future<Output = Nudge> + Send>>,
}

/// How a process ended, for those of its tasks that it did not answer.
pub(super) struct Ended {
    pub(super) cause: Cause,
    pub(super) text: String,
    pub(super) trace: Option<String>,
}

#[derive(Default)]
pub(super) struct Flights(HashMap<TaskId, Flight>);

// === impl Flights ===

impl Flights {
    pub(super) fn add(&mut self, run: Run) {
        let watch = Box::pin(nudge(run.stop().clone(), run.task().timeout));
        self.0.insert(run.task().id, Flight { run, fate: Fate::Open, watch });
    }

    pub(super) fn get(&mut self, id: TaskId) -> Option<&mut Flight> {
        self.0.get_mut(&id)
    }

    pub(super) fn iter(&mut self) -> impl Iterator<Item = &mut Flight> {
        self.0.values_mut()
    }

    pub(super) fn take(&mut self, id: TaskId) -> Option<Flight> {
        self.0.remove(&id)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Flight> {
        self.0.drain().map(|(_, flight)| flight)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The task, when it is the only one.
    pub(super) fn only(&self) -> Option<TaskId> {
        self.0.keys().next().copied().filter(|_| self.0.len() == 1)
    }

    /// What befalls one of them next; pending while nothing does.
    pub(super) fn poll_nudge(&mut self, cx: &mut Context<'_>) -> Poll<(TaskId, Nudge)> {
        for (id, flight) in &mut self.0 {
            if let Poll::Ready(nudge) = flight.watch.as_mut().poll(cx) {
                flight.watch = Box::pin(std::future::pending());
                return Poll::Ready((*id, nudge));
            }
        }
        Poll::Pending
    }
}

// === impl Flight ===

impl Flight {
    /// Asked to stop; [`Nudge::Overdue`] when it has not after the grace.
    pub(super) fn stopping(&mut self, grace: Duration) {
        self.fate = Fate::Stopping;
        self.watch = Box::pin(async move {
            sleep(grace).await;
            Nudge::Overdue
        });
    }

    /// Tells how it gets on.
    pub(super) fn tell(&self, headway: Headway) {
        self.run.tell(headway);
    }

    /// Ends as the worker says. What is done is done, even past a deadline; any other answer of a task that
    /// was to be ended is how it ended.
    pub(super) fn answered(self, reply: Reply) {
        let verdict = match (reply, self.fate) {
            (Reply::Done { result: Some(result), .. }, _) if result.len() > MAX_RESULT => {
                let length = result.len();
                let text = format!("the result is {length} bytes long; it may have at most {MAX_RESULT}");
                Verdict::failed(Cause::Protocol, text)
            }
            (Reply::Done { result, submit, .. }, _) => Verdict::Done { result, submit },
            (Reply::Fail(fail), Fate::Open) => failed(&fail),
            (Reply::Snooze { wait, .. }, Fate::Open) => Verdict::Snooze(wait),
            (Reply::Fail(fail), fate) => untimely(fate, Some(fail.error)),
            (_, fate) => untimely(fate, None),
        };
        self.run.finish(verdict);
    }

    /// Ends because of what is wrong with the answer.
    pub(super) fn misanswered(self, error: &str) {
        self.run.finish(Verdict::failed(Cause::Protocol, error));
    }

    /// Ends because the process has.
    pub(super) fn abandoned(self, ended: &Ended) {
        let verdict = match self.fate {
            Fate::Open => Verdict::Failed {
                failure: Failure::new(ended.cause, &ended.text).detailed(None, ended.trace.as_deref()),
                retry: Retry::Policy,
            },
            fate => untimely(fate, ended.trace.clone()),
        };
        self.run.finish(verdict);
    }
}

fn failed(fail: &Fail) -> Verdict {
    let failure = Failure::new(Cause::Failed, &fail.error);
    Verdict::Failed {
        failure: failure.detailed(fail.kind.as_deref(), fail.trace.as_deref()),
        retry: fail.retry,
    }
}

/// Of a task that the drone ended.
fn untimely(fate: Fate, trace: Option<String>) -> Verdict {
    let text = match fate {
        Fate::Open | Fate::Stopping => return Verdict::Stopped,
        Fate::TimedOut(timeout) => format!("timed out after {}", Written(timeout)),
        Fate::Hung(silence) => format!("hung: no sign of life from its process for {}", Written(silence)),
    };
    let failure = Failure::new(Cause::TimedOut, text).detailed(None, trace.as_deref());
    Verdict::Failed { failure, retry: Retry::Policy }
}
