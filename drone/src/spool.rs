//! The spool: submissions that a queue has not taken yet, on a file of their own, and those that it refused
//! for good. Unlike the local queue it is the only copy of what is in it.
//!
//! ```text
//! keep ── waits ── deliver ──► gone       the queue has it
//!                     └──────► refused    until an operator drops it, or has it tried again
//! ```
//!
//! | read | for |
//! | --- | --- |
//! | [`Spool`] | keeping, listing, dropping |
//! | [`deliver`] | from the spool to its queue: oldest first, in paced batches, under the ids it was kept with |
//! | `step` | the drone's part |

pub mod deliver;
mod file;
mod look;
mod open;
mod pace;
pub(crate) mod step;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use skep_queue::{Clock, QueueName, Submission, TaskId, TaskType, Timestamp};

pub(crate) use file::{Fate, Row, Verdict};
pub use look::{Entry, Tally};
pub use open::{Config, default_path};
pub(crate) use pace::Pace;

use open::Opened;

/// How long opening the file may take, which waits for whoever has its lock.
const OPENING: Duration = Duration::from_secs(5);

/// What a spool may hold, all backends together, what was refused included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Tasks; default 10,000.
    pub tasks: u64,
    /// Bytes of payloads and options; default 64 MiB.
    pub bytes: u64,
}

/// Whose a submission is: the URL of a backend without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

/// What the spool made of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// It is on the disk: now, or since an earlier call with this id.
    Kept,
    /// The id is taken by another payload.
    Conflict {
        /// Who has it.
        holder: TaskId,
    },
    /// There is no room.
    Full(Full),
}

/// The bound that was met, and what counts against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// How much there is.
    pub depth: u64,
    /// How much there may be.
    pub limit: u64,
    /// `tasks` or `bytes`.
    pub unit: &'static str,
}

/// Why the spool cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the spool {}: {why}", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub why: skep_sqlite::Error,
}

/// A handle to a spool; clones share it. The file is opened when it is first needed, and made by what is
/// kept first. Several processes may use it at once.
#[derive(Clone)]
pub struct Spool {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    clock: Arc<dyn Clock>,
    opened: tokio::sync::Mutex<Option<Opened>>,
    /// Where a damaged file went, until somebody asks.
    aside: std::sync::Mutex<Option<PathBuf>>,
}

// === impl Bounds, Key ===

impl Default for Bounds {
    fn default() -> Self {
        Self { tasks: 10_000, bytes: 64 * 1024 * 1024 }
    }
}

impl Key {
    /// Of a backend's URL. A relative `sqlite:` path is one of the working folder.
    #[must_use]
    pub fn of(url: &str) -> Self {
        Self(crate::config::Url::new(url).bare())
    }

    /// As it is written down.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Spool ===

impl Spool {
    /// A spool that is not opened yet.
    #[must_use]
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner { config, clock, opened: tokio::sync::Mutex::default(), aside: Default::default() };
        Self { inner: Arc::new(inner) }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.config.path
    }

    /// Whether anybody ever kept something in it.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path().exists()
    }

    /// Where a damaged file was put aside since this was last asked.
    #[must_use]
    pub fn set_aside(&self) -> Option<PathBuf> {
        self.inner.aside.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps a submission, and answers for each block; it is on the disk when this returns. A partial one is
    /// kept block by block as far as there is room, another as a whole or not at all. Kept again under the
    /// same ids it is there once.
    ///
    /// # Errors
    /// When the file cannot be used. Asked again, under the same ids, nothing is kept twice.
    pub async fn keep(&self, backend: &Key, submission: &Submission) -> Result<Vec<Held>, Error> {
        let each = submission.blocks.chunks(if submission.partial { 1 } else { usize::MAX });
        let now = self.inner.clock.now();
        let rows = each.map(|blocks| file::NewRow::new(backend, blocks, submission.partial, now));
        let rows = Arc::new(rows.collect::<Result<Vec<_>, _>>().map_err(|why| self.wrong(why))?);
        // A second time if the file was set aside by somebody while this wrote to it.
        let mut held = Vec::new();
        for _ in 0..2 {
            let rows = Arc::clone(&rows);
            held = self.write(move |c| file::keep(c, &rows)).await?;
            if self.is_current().await {
                break;
            }
        }
        let blocks = |(row, held): (&file::NewRow, Held)| std::iter::repeat_n(held, row.blocks());
        Ok(rows.iter().zip(held).flat_map(blocks).collect())
    }

    /// How much it holds, by backend.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub async fn tally(&self) -> Result<Vec<Tally>, Error> {
        Ok(self.read(look::tally).await?.unwrap_or_default())
    }

    /// Every submission in it, oldest first.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub async fn list(&self) -> Result<Vec<Entry>, Error> {
        Ok(self.read(look::list).await?.unwrap_or_default())
    }

    /// Drops submissions by the id of their first task, and answers which there were.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub async fn discard(&self, ids: Vec<TaskId>) -> Result<Vec<bool>, Error> {
        if !self.exists() {
            return Ok(vec![false; ids.len()]);
        }
        self.write(move |c| ids.iter().map(|id| look::discard(c, *id)).collect()).await
    }

    /// Lets what was refused for good be tried again.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub async fn forgive(&self, backend: &Key) -> Result<(), Error> {
        if !self.exists() {
            return Ok(());
        }
        let backend = backend.clone();
        self.write(move |c| look::forgive(c, &backend)).await
    }

    /// Writes the bounds of this handle, if it has any, into the file.
    pub(crate) async fn say_bounds(&self) -> Result<(), Error> {
        match self.inner.config.bounds {
            Some(bounds) => self.write(move |c| look::set_bounds(c, bounds)).await,
            None => Ok(()),
        }
    }

    /// The next rows for a call, from `after` on, of those that nothing stands in the way of.
    pub(crate) async fn batch(
        &self,
        backend: &Key,
        after: i64,
        most: usize,
        blocked: Vec<(QueueName, Option<TaskType>)>,
    ) -> Result<Vec<Row>, Error> {
        let backend = backend.clone();
        let read = self.read(move |c| file::batch(c, &backend, after, most, &blocked));
        Ok(read.await?.unwrap_or_default())
    }

    /// Writes down what a queue answered. On the disk when it returns: delivered again once its queue keeps it
    /// no longer, a task would be a new one.
    pub(crate) async fn conclude(&self, verdicts: Vec<Verdict>) -> Result<(), Error> {
        let verdicts = Arc::new(verdicts);
        self.write(move |c| verdicts.iter().try_for_each(|verdict| file::conclude(c, verdict))).await
    }

    /// How long a row has been here, by this machine's clock.
    pub(crate) fn age(&self, kept_at: Timestamp) -> Duration {
        self.inner.clock.now().since(kept_at)
    }

    fn wrong(&self, why: skep_sqlite::Error) -> Error {
        Error { path: self.path().to_owned(), why }
    }
}

#[cfg(test)]
mod tests;
