//! The drone's part: delivers what is spooled for a queue that it pumps, while that queue answers.

use std::{sync::Arc, time::Duration};

use skep_queue::{Error as QueueError, Random};
use tokio_util::sync::CancellationToken;

use super::deliver::{Delivered, Delivery, End};
use crate::source::Source;

/// How often to look for what is new.
const LOOK: Duration = Duration::from_secs(2);
/// How often to try again what found no room, at the least.
const LONGEST: Duration = Duration::from_secs(30);

/// One step of the drone, for one backend.
pub(crate) struct SpoolStep {
    pub(crate) source: Source,
    pub(crate) delivery: Delivery,
    pub(crate) random: Arc<dyn Random>,
}

impl SpoolStep {
    /// Delivers until told to stop. A call under way may be dropped: it is made again, under the same ids.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let work = async {
            if let Err(error) = self.delivery.spool.say_bounds().await {
                tracing::error!(%error, "the bounds of the spool cannot be written");
            }
            self.source.link.announced.cancelled().await;
            // Many drones hear the same queue come back.
            tokio::time::sleep(LOOK.mul_f64(self.random.fraction())).await;
            let mut failures = 0;
            loop {
                let wait = if self.source.link.is_up() { self.deliver(&mut failures).await } else { LOOK };
                tokio::time::sleep(wait.mul_f64(1.0 + self.random.fraction() / 2.0)).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    /// One round; answers how long to wait before the next.
    async fn deliver(&self, failures: &mut u32) -> Duration {
        let Source { link, label, .. } = &self.source;
        let done = match self.delivery.all().await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "what is spooled cannot be delivered");
                return LONGEST;
            }
        };
        let Delivered { tasks, refused, end } = done;
        if tasks + refused > 0 {
            tracing::info!(queue = label, tasks, refused, "delivered what was spooled");
            *failures = 0;
        }
        match end {
            End::Empty | End::Enough | End::Taken => {
                *failures = 0;
                LOOK
            }
            End::Full(no) => {
                *failures = failures.saturating_add(1);
                let wait = Duration::from_secs_f64(1.0 + f64::from(*failures).ln());
                wait.max(no.retry_after.unwrap_or_default()).min(LONGEST)
            }
            End::Down(error @ QueueError::Unavailable(_)) => {
                *failures = failures.saturating_add(1);
                link.failed(label, &error, *failures)
            }
            End::Down(error) => {
                link.failed(label, &error, 1);
                LONGEST
            }
        }
    }
}
