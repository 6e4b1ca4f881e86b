//! What can be wrong with a Postgres queue, in words that say what to do. No text holds a password.

use sqlx::postgres::PgDatabaseError;

/// An error of the Postgres queue.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The URL does not say where the queue is.
    #[error("{0}")]
    Url(String),
    /// The server cannot be reached, did not answer in time, or cannot do it now.
    #[error("{0}")]
    Unreachable(String),
    /// It answered, and somebody must change something before it answers otherwise: rights, the schema, the
    /// password. It is no fault of what was asked.
    #[error("{0}")]
    Unfit(String),
    /// It answered, and will answer the same again.
    #[error("{0}")]
    Refused(String),
    /// It answered that the drone must first say what it holds.
    #[error("{0}")]
    Untold(String),
    /// It answered that it waits for others, for a while.
    #[error("{0}")]
    Waits(String),
    /// It answered what skep's functions never answer.
    #[error("{0}")]
    Corrupt(String),
}

// === impl Error ===

impl Error {
    /// The same, with its words changed.
    pub(crate) fn map(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Url(text) => Self::Url(change(text)),
            Self::Unreachable(text) => Self::Unreachable(change(text)),
            Self::Unfit(text) => Self::Unfit(change(text)),
            Self::Refused(text) => Self::Refused(change(text)),
            Self::Untold(text) => Self::Untold(change(text)),
            Self::Waits(text) => Self::Waits(change(text)),
            Self::Corrupt(text) => Self::Corrupt(change(text)),
        }
    }

    /// What a call was given cannot be put into a message.
    pub(crate) fn unsendable(error: sqlx::error::BoxDynError) -> Self {
        Self::Refused(error.to_string())
    }

    /// For a report that must not be given up, whatever has to be mended first: its outcome is good.
    pub(crate) fn kept(self) -> skep_queue::Error {
        match self {
            Self::Unfit(why) => skep_queue::Error::Unavailable(why),
            other => other.into(),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as Sql;
        match error {
            Sql::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
                Some(error) => answered(error),
                None => Self::Refused(error.to_string()),
            },
            Sql::ColumnDecode { .. }
            | Sql::ColumnNotFound(_)
            | Sql::ColumnIndexOutOfBounds { .. }
            | Sql::Decode(_)
            | Sql::TypeNotFound { .. }
            | Sql::RowNotFound => Self::Corrupt(error.to_string()),
            Sql::Encode(_) | Sql::InvalidArgument(_) => Self::Refused(error.to_string()),
            Sql::Io(error) => Self::Unreachable(error.to_string()),
            Sql::Tls(error) => Self::Unfit(format!("TLS: {error}")),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

/// What an answer of the server means for whoever asked.
fn answered(error: &PgDatabaseError) -> Error {
    let code = error.code();
    let text = words(error);
    match code {
        "42501" => Error::Unfit(format!(
            "{text}: the role lacks a right: grant skep_drone to it for a drone, skep_submit to submit, \
             skep_view to look, skep_admin to operate (see docs/postgres.md)"
        )),
        "3F000" | "42P01" | "42883" => Error::Unfit(format!("{text}: run skep schema up")),
        "3D000" => Error::Unfit(format!("{text}: create it (createdb), or name another in the URL")),
        "28P01" | "28000" => Error::Unfit(format!(
            "{text}: check the user and its password (PGPASSWORD, ~/.pgpass or password_file=), and the \
             server's pg_hba.conf"
        )),
        _ if is_read_only(code, &text) => Error::Unreachable(format!(
            "{text}: this server is read-only, a standby or by default_transaction_read_only: name the \
             primary, or promote it"
        )),
        "53300" => Error::Unreachable(format!(
            "{text}: a drone needs 4 connections: raise max_connections, or use a pooler (docs/postgres.md)"
        )),
        "55P03" => Error::Unreachable(format!("{text}: lock_timeout is set for this role or database")),
        "SK010" => Error::Untold(text),
        "SK011" => Error::Waits(text),
        "XX001" | "XX002" => Error::Corrupt(text),
        _ if met_new_day(code, &text) => Error::Unreachable(text),
        _ if is_passing(code) => Error::Unreachable(text),
        _ => Error::Refused(text),
    }
}

/// A standby says so in one way of what is written, and in others of unlogged tables and of locks.
fn is_read_only(code: &str, text: &str) -> bool {
    code == "25006" || text.contains("during recovery") || text.contains("recovery is in progress")
}

/// What ended went where all days are kept that have no partition, while somebody made the one of its day.
pub(crate) fn met_new_day(code: &str, text: &str) -> bool {
    code == "23514" && text.contains("partition constraint")
}

/// Connections, transactions that met, resources, an operator at work, the system: all may be well later.
fn is_passing(code: &str) -> bool {
    ["08", "25", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
}

/// Without the detail, which may quote a payload.
fn words(error: &PgDatabaseError) -> String {
    format!("{} [{}]", error.message(), error.code())
}

impl From<Error> for skep_queue::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Unreachable(why) | Error::Untold(why) | Error::Waits(why) => Self::Unavailable(why),
            Error::Corrupt(why) => Self::Corrupt(why),
            Error::Url(why) | Error::Unfit(why) | Error::Refused(why) => Self::Refused(why),
        }
    }
}
