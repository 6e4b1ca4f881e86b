//! What can be wrong with a Postgres queue, in words that say what to do. No text holds a password.

/// An error of the Postgres queue.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The URL does not say where the queue is.
    #[error("{0}")]
    Url(String),
    /// The server cannot be reached, or did not answer in time.
    #[error("{0}")]
    Unreachable(String),
    /// It answered, and will answer the same again.
    #[error("{0}")]
    Refused(String),
    /// It answered what skep's functions never answer.
    #[error("{0}")]
    Corrupt(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => Self::Refused(error.to_string()),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) | sqlx::Error::Decode(_) => {
                Self::Corrupt(error.to_string())
            }
            other => Self::Unreachable(other.to_string()),
        }
    }
}

impl From<Error> for skep_queue::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Unreachable(why) => Self::Unavailable(why),
            Error::Corrupt(why) => Self::Corrupt(why),
            Error::Url(why) | Error::Refused(why) => Self::Refused(why),
        }
    }
}
