//! Progress: tells a queue how its running tasks get on, a few times a second at most.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{notes::Notes, source::Source};

/// Least time between two calls.
const GAP: Duration = Duration::from_millis(200);

/// One step of the drone, for one queue.
pub(crate) struct ProgressStep {
    pub(crate) source: Source,
    pub(crate) notes: Arc<Notes>,
}

impl ProgressStep {
    /// Tells until told to stop, and then what is left. What does not arrive is not told again: it is a hint.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = self.notes.told() => {}
                () = stop.cancelled() => {}
            }
            let notes = self.notes.take();
            if !notes.is_empty()
                && let Err(error) = self.source.queue.progress(notes).await
            {
                tracing::debug!(queue = self.source.label, %error, "progress was not heard");
            }
            tokio::select! {
                () = tokio::time::sleep(GAP) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}
