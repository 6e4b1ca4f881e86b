//! Where a manager listens.

use std::{io, path::PathBuf, time::Duration};

use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::link::AnyPipe;

/// How long to wait when there are no descriptors left, or the like.
const PAUSE: Duration = Duration::from_millis(100);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system; who may connect is told by its peer's user id.
    Unix(PathBuf),
}

/// A socket that listens.
pub struct Listener(UnixListener);

impl Listener {
    /// Begins to listen.
    ///
    /// # Errors
    /// What the system says: the place is taken, or must not be written.
    pub fn bind(address: &Address) -> io::Result<Self> {
        let Address::Unix(path) = address;
        Ok(Self(UnixListener::bind(path)?))
    }

    /// The next connection; `None` when told to stop.
    pub(super) async fn accept(&self, stop: &CancellationToken) -> Option<AnyPipe> {
        loop {
            let accepted = tokio::select! {
                accepted = self.0.accept() => accepted,
                () = stop.cancelled() => return None,
            };
            match accepted {
                Ok((stream, _)) => return Some(Box::new(stream)),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
