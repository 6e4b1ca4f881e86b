//! What a backend's server spends: for benches, which need more than the time that went by.

use std::time::Duration;

use async_trait::async_trait;

use crate::queue::Result;

/// What a server has spent since it began to count. Only differences mean something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Bytes written ahead to its log.
    pub wal_bytes: u64,
    /// Versions of rows that died: what is to be cleaned up, sooner or later, at once or by a vacuum.
    pub dead_rows: u64,
    /// Transactions that committed.
    pub commits: u64,
    /// Processor time of all its processes; `None` when it runs elsewhere.
    pub cpu: Option<Duration>,
}

/// A yardstick of the server's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Yardstick {
    /// What was run.
    pub command: String,
    /// The mean time of a transaction, in milliseconds.
    pub latency_ms: f64,
    /// Transactions a second.
    pub rate: f64,
}

/// A look at the server behind a queue.
#[async_trait]
pub trait Meter: Send + Sync {
    /// Reads the counters. `dead_rows` and `commits` are complete once the queue's connections are closed;
    /// this waits a moment for that.
    ///
    /// # Errors
    /// As a queue's.
    async fn read(&self) -> Result<Reading>;

    /// The processor time of all its processes so far, at once; `None` when it runs elsewhere.
    ///
    /// # Errors
    /// As a queue's.
    async fn cpu(&self) -> Result<Option<Duration>>;

    /// Opens a snapshot, and holds it until the answer is dropped: whatever ends meanwhile cannot be cleaned up.
    ///
    /// # Errors
    /// As a queue's.
    async fn snapshot(&self) -> Result<Box<dyn Send>>;

    /// Runs the yardstick with so many clients; `None` when it is not installed here.
    ///
    /// # Errors
    /// As a queue's, and when the yardstick fails.
    async fn yardstick(&self, clients: usize, seconds: u32) -> Result<Option<Yardstick>>;

    /// What kind of server it is, and those of its settings that a figure depends on, in one line.
    ///
    /// # Errors
    /// As a queue's.
    async fn settings(&self) -> Result<String>;
}

impl Reading {
    /// What was spent since another reading.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            wal_bytes: self.wal_bytes.saturating_sub(before.wal_bytes),
            dead_rows: self.dead_rows.saturating_sub(before.dead_rows),
            commits: self.commits.saturating_sub(before.commits),
            cpu: self.cpu.zip(before.cpu).map(|(now, before)| now.saturating_sub(before)),
        }
    }
}
