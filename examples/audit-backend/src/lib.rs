//! A backend of one's own: `audit:FILE:URL` is the backend of `URL`, and appends a JSON line to `FILE` for each
//! submit, settle and act: ids and counts, never payloads. `docs/backends.md` walks through it.
//!
//! No answer leaves without its line: it is written after the inner backend has answered, and before the
//! caller has. When it cannot be written the caller hears `Unavailable`, which means that it may have happened;
//! it asks again with the same ids, as the contract says it does, and that call is written down.
#![forbid(unsafe_code)]

mod admin;
mod line;
mod trail;

use std::sync::Arc;

use async_trait::async_trait;
use skep_drone::backend::Backends;
use skep_queue::{
    Backend, Beat, Claimed, Clock, Orders, Progress, Pump, Queue, Result, Settled, Settlement, Submission,
    Submitted, TaskType, clock::SystemClock,
};
use trail::Trail;

/// A backend with an audit trail.
pub struct Audit {
    inner: Arc<dyn Backend>,
    trail: Trail,
}

/// Opens `audit:FILE:URL`.
///
/// # Errors
/// In words: what is wrong with the URL, the file or the inner backend.
pub async fn open(url: String, inner: Backends) -> std::result::Result<Arc<dyn Backend>, String> {
    let parts = url.strip_prefix("audit:").and_then(|rest| rest.split_once(':'));
    let Some((file, inner_url)) = parts.filter(|(file, _)| !file.is_empty()) else {
        return Err(format!("{url:?} is no audit:FILE:URL: write audit:audit.jsonl:sqlite:./skep.db"));
    };
    let inner = inner.open(inner_url).await?;
    Ok(Arc::new(Audit::new(inner, file, Arc::new(SystemClock))?))
}

impl Audit {
    /// Puts a trail in front of a backend.
    ///
    /// # Errors
    /// In words, when the file cannot be appended to.
    pub fn new(
        inner: Arc<dyn Backend>,
        file: impl Into<std::path::PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> std::result::Result<Self, String> {
        Ok(Self { inner, trail: Trail::open(file.into(), clock)? })
    }
}

#[async_trait]
impl Queue for Audit {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        let line = line::Submit::before(&submission);
        let answers = self.inner.submit(submission).await?;
        self.trail.write(|| line.after(&answers))?;
        Ok(answers)
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        let line = line::Settle::before(&settlements);
        let answers = self.inner.settle(settlements).await?;
        self.trail.write(|| line.after(&answers))?;
        Ok(answers)
    }

    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        self.inner.pump(pump).await
    }

    async fn beat(&self, beat: Beat) -> Result<Orders> {
        self.inner.beat(beat).await
    }

    async fn arrival(&self, types: &[TaskType]) {
        self.inner.arrival(types).await;
    }

    async fn progress(&self, notes: Vec<Progress>) -> Result<()> {
        self.inner.progress(notes).await
    }
}
