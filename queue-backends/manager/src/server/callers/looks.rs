//! Looking at the store for ends that nobody told of.

use std::{sync::Arc, time::Duration};

use skep_queue::Backend;
use tokio_util::sync::CancellationToken;

use super::{Callers, ends};

/// How many looks are made at a stretch, and the pause after it: thousands of callers cost the store at most
/// about a thousand looks a second.
const STRETCH: usize = 32;
const PAUSE: Duration = Duration::from_millis(32);

impl Callers {
    /// Looks whenever a look is due, until told to stop.
    pub(in super::super) async fn watch(self: Arc<Self>, backend: Arc<dyn Backend>, stop: CancellationToken) {
        let look = async {
            loop {
                let idle = self.stretch(&*backend).await;
                let sooner = self.sooner.notified();
                match idle {
                    Some(idle) => drop(tokio::time::timeout(idle, sooner).await),
                    None => sooner.await,
                }
            }
        };
        stop.run_until_cancelled(look).await;
    }

    /// Looks at what is due, and answers how long nothing is; for ever, when nobody waits.
    async fn stretch(&self, backend: &dyn Backend) -> Option<Duration> {
        for _ in 0..STRETCH {
            let due = self.table().due(self.clock.elapsed());
            let task = match due {
                Ok(task) => task,
                Err(idle) => return idle,
            };
            // A store that cannot be asked is asked again later, like a task that goes on.
            let end = backend.task(task).await.ok().and_then(ends::end_of);
            let mut table = self.table();
            match end {
                Some(end) => table.end(task, &end),
                None => table.goes_on(task, self.clock.elapsed()),
            }
        }
        Some(PAUSE)
    }
}
