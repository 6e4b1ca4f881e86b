//! Exit codes: a contract with scripts.

use std::process::ExitCode;

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

    /// Says it on stderr.
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
        Self::new(exit, error.to_string())
    }
}
