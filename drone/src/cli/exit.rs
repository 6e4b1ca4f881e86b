//! Exit codes: a contract with scripts.

use std::process::ExitCode;

use crate::client;

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It did what was asked.
    Ok = 0,
    /// It did not, or the task failed.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// There is no such thing.
    NotFound = 3,
    /// The id or key is taken.
    Conflict = 4,
    /// The backend cannot be reached.
    Unreachable = 5,
    /// The queue refused: full, paused, too large.
    Rejected = 6,
    /// It is kept in the spool, and not in the queue yet.
    Spooled = 7,
    /// It took longer than it might.
    TimedOut = 124,
}

/// An error on its way to the user: an exit code, and what to do.
#[derive(Debug)]
pub(crate) struct Failed {
    exit: Exit,
    text: String,
}

impl Failed {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }

    /// With a line on what it means here.
    #[must_use]
    pub(crate) fn note(mut self, text: impl AsRef<str>) -> Self {
        self.text.push('\n');
        self.text.push_str(text.as_ref());
        self
    }

    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// What the user reads.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Says it on stderr, before there is an [`Out`](super::out::Out).
    #[expect(clippy::print_stderr, reason = "errors are talk, and the command's to say")]
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("error: {}", self.text);
        self.exit.into()
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<skep_queue::Error> for Failed {
    fn from(error: skep_queue::Error) -> Self {
        let exit = match error {
            skep_queue::Error::Unavailable(_) => Exit::Unreachable,
            _ => Exit::Failed,
        };
        let failed = Self::new(exit, error.to_string());
        match error {
            skep_queue::Error::Corrupt(_) => {
                failed.note("stop its drones, keep a copy of what is there, and restore a backup")
            }
            _ => failed,
        }
    }
}

impl From<client::Error> for Failed {
    fn from(error: client::Error) -> Self {
        let exit = exit_of(&error);
        let failed = Self::new(exit, error.to_string());
        match error {
            client::Error::Queue(error) => error.into(),
            client::Error::Spooled { .. } => {
                failed.note("it is delivered when the queue takes it: see skep spool list")
            }
            client::Error::SpoolFull { .. } => failed.note("see skep spool list, and skep spool flush"),
            client::Error::TimedOut { id } => failed.note(format!("ask again with: skep result {id} --wait")),
            client::Error::NotFound { .. } => {
                failed.note("it was never submitted here, or ended longer ago than its queue's retention")
            }
            _ => failed,
        }
    }
}

fn exit_of(error: &client::Error) -> Exit {
    match error {
        client::Error::Rejected(_) | client::Error::SpoolFull { .. } => Exit::Rejected,
        client::Error::Conflict { .. } => Exit::Conflict,
        client::Error::Queue(skep_queue::Error::Unavailable(_)) => Exit::Unreachable,
        client::Error::Queue(_) | client::Error::Failed { .. } => Exit::Failed,
        client::Error::Spool { why, .. } => exit_of(why),
        client::Error::Spooled { .. } => Exit::Spooled,
        client::Error::TimedOut { .. } => Exit::TimedOut,
        client::Error::NotFound { .. } => Exit::NotFound,
    }
}
