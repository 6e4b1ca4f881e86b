//! A global queue as one drone sees it: what the steps share about it, and whether it can be reached.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use skep_queue::{Error, Incarnation, Queue, QueueName, Random};
use tokio_util::sync::CancellationToken;

use crate::{fatal::Fatal, local::Local};

/// One `[[queue]]` of the drone.
#[derive(Clone)]
pub(crate) struct Source {
    /// Its place in the configuration.
    pub(crate) index: usize,
    /// How the local queue remembers it.
    pub(crate) label: String,
    /// The queue to pump.
    pub(crate) name: QueueName,
    /// The backend.
    pub(crate) queue: Arc<dyn Queue>,
    /// This start of the drone, towards this queue.
    pub(crate) drone: Incarnation,
    pub(crate) link: Arc<Link>,
}

/// Whether a backend answers. Shared by the steps, so that its loss is noticed and logged once.
pub(crate) struct Link {
    up: AtomicBool,
    /// Cancelled when the queue has heard which claims this drone holds: nothing is pumped before.
    pub(crate) announced: CancellationToken,
    /// Cancelled with it, or when the queue failed to answer: what is on file need not wait any longer.
    pub(crate) asked: CancellationToken,
    local: Local,
    random: Arc<dyn Random>,
    fatal: Fatal,
}

// === impl Link ===

impl Link {
    pub(crate) fn new(local: Local, random: Arc<dyn Random>, fatal: Fatal) -> Self {
        let asked = CancellationToken::new();
        let announced = CancellationToken::new();
        Self { up: AtomicBool::new(true), announced, asked, local, random, fatal }
    }

    /// The backend answered.
    pub(crate) fn answered(&self, label: &str) {
        if !self.up.swap(true, Ordering::Relaxed) {
            tracing::info!(queue = label, "the queue answers again");
            self.local.backend_up(true);
        }
    }

    /// Whether it answered when it was last asked.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// The backend did not answer, or not well. Says how long to wait before the `n`-th try (from 1):
    /// `1 + ln(n)` seconds and up to half of it more.
    pub(crate) fn failed(&self, label: &str, error: &Error, n: u32) -> Duration {
        self.asked.cancel();
        match error {
            Error::Unavailable(why) => {
                if self.up.swap(false, Ordering::Relaxed) {
                    tracing::warn!(
                        queue = label,
                        why,
                        "the queue cannot be reached; going on with what is held"
                    );
                    self.local.backend_up(false);
                }
            }
            Error::Refused(why) => tracing::error!(queue = label, why, "the queue refused"),
            Error::Corrupt(why) => self.fatal.stop(format!("{label}: the queue is damaged: {why}")),
        }
        Duration::from_secs_f64((1.0 + f64::from(n.max(1)).ln()) * (1.0 + self.random.fraction() / 2.0))
    }
}
