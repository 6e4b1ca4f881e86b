//! What can be wrong with a SQLite file, in words that say what to do.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// An error of the embedded store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Somebody else holds an exclusive file.
    #[error("{} is in use by another process{}: stop it, or use another file", path.display(), pid.map(|p| format!(" (pid {p})")).unwrap_or_default())]
    InUse {
        /// The file.
        path: PathBuf,
        /// Who, if it said so.
        pid: Option<u32>,
    },
    /// The file is a SQLite database of something else.
    #[error("{} is a SQLite database, but not one of skep's: choose another path", .0.display())]
    NotOurs(PathBuf),
    /// A newer skep has been here.
    #[error("{} has schema {version}, this skep knows {known}: use the newer skep", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// What it has.
        version: i64,
        /// What this binary knows.
        known: usize,
    },
    /// The place cannot hold a database.
    #[error("{}: {why}", path.display())]
    Place {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The linked SQLite is too old.
    #[error("SQLite {0} can corrupt a file in WAL mode: 3.51.3 or newer is needed")]
    OldSqlite(&'static str),
    /// No room on the disk.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The file's content is damaged.
    #[error("{0}")]
    Corrupt(String),
    /// The disk failed, or refused.
    #[error("{0}")]
    Io(String),
    /// A statement failed.
    #[error("{0}")]
    Sql(String),
    /// What was asked cannot be done, in words for the caller.
    #[error("{0}")]
    Refused(String),
    /// Somebody else has had the file for too long; what was asked may be done yet.
    #[error("another process has held the file for {} s, or the disk hangs: is a process stopped? (lslocks shows who)", .0.as_secs())]
    Busy(std::time::Duration),
    /// The database thread is gone.
    #[error("the database is closed")]
    Closed,
    /// A command panicked; its transaction was rolled back.
    #[error("a database command panicked")]
    Panicked,
}

impl Error {
    /// Damage found while opening `path`, by its name.
    pub(crate) fn damage_of(self, path: &Path) -> Self {
        match self {
            Self::Corrupt(why) => Self::Corrupt(format!(
                "{} is damaged ({why}): keep a copy, and restore a backup or choose another path",
                path.display()
            )),
            other => other,
        }
    }

    /// An error met while opening `path`.
    pub(crate) fn opening(path: &Path, error: rusqlite::Error) -> Self {
        let why = match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen) => {
                "cannot be opened: check that its folder exists and may be written".into()
            }
            Some(ErrorCode::ReadOnly) => {
                "may not be written: check the rights of the file and its folder".into()
            }
            Some(ErrorCode::NotADatabase) => "is not a SQLite database: choose another path".into(),
            Some(ErrorCode::DatabaseBusy) => return Self::InUse { path: path.to_owned(), pid: None },
            _ => return Self::from(error),
        };
        Self::Place { path: path.to_owned(), why }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(text),
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::PermissionDenied,
            ) => Self::Io(text),
            _ => Self::Sql(text),
        }
    }
}

impl From<Error> for skep_queue::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Corrupt(why) => Self::Corrupt(why),
            Error::Full(_) | Error::Io(_) | Error::Busy(_) | Error::Closed => {
                Self::Unavailable(error.to_string())
            }
            _ => Self::Refused(error.to_string()),
        }
    }
}
