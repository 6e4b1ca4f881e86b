//! The ring of a running server: read again when its file changes.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::key::{Entry, KeyError, Ring, Secret};

/// How often the file is looked at: what is revoked is out within two of these.
const LOOK: Duration = Duration::from_secs(1);

/// The keys in force.
pub(super) struct Keys {
    path: PathBuf,
    ring: watch::Sender<Arc<Ring>>,
    seen: Mutex<Option<Version>>,
    /// Stands in for the key of whom nobody knows, so that as much is done for him as for one who is known.
    pub(super) nobody: Secret,
}

/// Which file it was, and which state of it.
type Version = (u64, i64, i64, u64);

impl Keys {
    pub(super) fn load(path: &Path) -> Result<Self, KeyError> {
        let ring = watch::Sender::new(Arc::new(Ring::load(path)?));
        Ok(Self { path: path.to_owned(), ring, seen: Mutex::new(None), nobody: Secret::random()? })
    }

    /// Those of this moment.
    pub(super) fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.borrow())
    }

    /// Returns when this entry is no longer in force as it was.
    pub(super) async fn changed(&self, entry: &Entry) {
        let mut ring = self.ring.subscribe();
        let other = ring.wait_for(|ring| ring.active(entry.id) != Some(entry)).await;
        drop(other);
    }

    /// Looks at the file until told to stop.
    pub(super) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            self.look();
        }
    }

    /// Reads the file again if it is another. A ring that cannot be read changes nothing but the log.
    pub(super) fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let version = self.version();
        if version == *seen {
            return;
        }
        *seen = version;
        match Ring::load(&self.path) {
            Ok(ring) => {
                self.ring.send_replace(Arc::new(ring));
            }
            Err(error) => tracing::error!(%error, "the keys stay as they were"),
        }
    }

    fn version(&self) -> Option<Version> {
        let file = fs::metadata(&self.path).ok()?;
        Some((file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
    }
}
