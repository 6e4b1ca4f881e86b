//! A place where a manager may be, and how a pipe is made to it.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use skep_queue::Clock;
use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{
    key::Key,
    link::{AnyPipe, HandshakeError, handshake::dial},
};

/// How long one place has to take a connection, and to say who it is.
const CONNECT: Duration = Duration::from_secs(5);

/// Where a manager may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A port somewhere, encrypted.
    Tcp {
        /// `HOST:PORT`.
        at: String,
        /// What proves who we are, and who answers.
        key: Arc<Key>,
        /// What the manager must be called.
        name: String,
    },
}

/// Why there is no link to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody answers there just now.
    Away(String),
    /// Somebody does, and will have nothing to do with us: nothing changes that soon.
    Refused(String),
}

impl Place {
    /// A pipe to whoever is there, whom we know then.
    pub(super) async fn pipe(&self, clock: &Arc<dyn Clock>) -> Result<AnyPipe, Failure> {
        let opened = timeout(CONNECT, self.open(clock)).await;
        opened.unwrap_or_else(|_| Err(Failure::Away("no answer".into())))
    }

    async fn open(&self, clock: &Arc<dyn Clock>) -> Result<AnyPipe, Failure> {
        match self {
            Self::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                stream.map(|stream| Box::new(stream) as AnyPipe).map_err(|error| Failure::away(&error))
            }
            Self::Tcp { at, key, name } => {
                let stream = TcpStream::connect(at).await.and_then(|stream| {
                    stream.set_nodelay(true)?;
                    Ok(stream)
                });
                let stream = stream.map_err(|error| Failure::away(&error))?;
                let secure = dial(stream, key, name, Arc::clone(clock)).await;
                secure.map(|secure| Box::new(secure) as AnyPipe).map_err(|error| match error {
                    HandshakeError::Io(error) => Failure::away(&error),
                    refusal => Failure::Refused(refusal.to_string()),
                })
            }
        }
    }
}

impl Failure {
    pub(super) fn away(error: &std::io::Error) -> Self {
        Self::Away(error.to_string())
    }

    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Away(why) | Self::Refused(why)) = self;
        f.write_str(why)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { at, .. } => write!(f, "skep://{at}"),
        }
    }
}
