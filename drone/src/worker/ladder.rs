//! How work is ended against its will: ask, TERM, KILL, with the same grace between.

use std::{future::pending, pin::Pin, process::ExitStatus, time::Duration};

use rustix::process::Signal;
use tokio::time::{Sleep, sleep};

use super::{Stop, StopSignal};
use crate::plumbing::Child;

/// The rungs, and when the next is due.
pub(super) struct Ladder {
    grace: Duration,
    rung: Rung,
    due: Option<Pin<Box<Sleep>>>,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rung {
    Ground,
    Asked,
    Termed,
    Killed,
}

/// What can befall a run while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nudge {
    Stop(Stop),
    TimedOut(Duration),
    /// Asked to stop, it has not for the whole grace.
    Overdue,
}

impl Ladder {
    pub(super) const fn new(grace: Duration) -> Self {
        Self { grace, rung: Rung::Ground, due: None }
    }

    pub(super) const fn rung(&self) -> Rung {
        self.rung
    }

    /// Somebody has asked: the grace begins.
    pub(super) fn ask(&mut self) {
        self.reach(Rung::Asked);
    }

    pub(super) fn term(&mut self, child: &Child) {
        if self.reach(Rung::Termed) {
            child.signal(Signal::TERM);
        }
    }

    pub(super) fn kill(&mut self, child: &Child) {
        if self.reach(Rung::Killed) {
            child.signal(Signal::KILL);
        }
    }

    /// Returns when the next rung is due; never, while nothing has begun. Safe to drop.
    pub(super) async fn due(&mut self) {
        match &mut self.due {
            Some(due) => due.await,
            None => pending().await,
        }
    }

    /// Takes the next rung.
    pub(super) fn climb(&mut self, child: &Child) {
        match self.rung {
            Rung::Ground | Rung::Asked => self.term(child),
            Rung::Termed => self.kill(child),
            // KILL is sent again for a group that forked while the first was delivered.
            Rung::Killed => {
                child.signal(Signal::KILL);
                self.due = Some(Box::pin(sleep(self.grace)));
            }
        }
    }

    fn reach(&mut self, rung: Rung) -> bool {
        if self.rung >= rung {
            return false;
        }
        self.rung = rung;
        self.due = Some(Box::pin(sleep(self.grace)));
        true
    }
}

/// Returns at the run's deadline, or when it is asked to stop.
pub(super) async fn nudge(stop: StopSignal, timeout: Option<Duration>) -> Nudge {
    let Some(timeout) = timeout else { return Nudge::Stop(stop.stopped().await) };
    tokio::select! {
        why = stop.stopped() => Nudge::Stop(why),
        () = sleep(timeout) => Nudge::TimedOut(timeout),
    }
}

/// `exit status 3`, `killed by signal 9 (SIGKILL)`.
pub(super) fn in_words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal} ({})", name(signal)),
        (None, None) => status.to_string(),
    }
}

fn name(signal: i32) -> &'static str {
    const NAMES: [&str; 32] = [
        "0",
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    usize::try_from(signal).ok().and_then(|at| NAMES.get(at)).copied().unwrap_or("a real-time signal")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn endings_read_well() {
        assert_eq!(in_words(ExitStatus::from_raw(3 << 8)), "exit status 3");
        assert_eq!(in_words(ExitStatus::from_raw(9)), "killed by signal 9 (SIGKILL)");
        assert_eq!(in_words(ExitStatus::from_raw(31)), "killed by signal 31 (SIGSYS)");
    }
}
