//! How long tasks wait from their submit to their hand-out, by a sample of what passes through.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use skep_queue::{BlockId, Claimed, QueueName};

/// Most blocks whose wait is being measured.
const SAMPLE: usize = 1024;
/// Over how many waits of a queue the mean is taken.
const WINDOW: usize = 100;
/// Who has not been handed out for so long is measured no more.
const LONGEST: Duration = Duration::from_secs(3600);

/// The waits that are being measured, and the last that were.
#[derive(Default)]
pub(super) struct Waits {
    begun: HashMap<BlockId, Duration>,
    last: HashMap<QueueName, VecDeque<f64>>,
}

impl Waits {
    /// A block was accepted, and is due. Not every one is measured when many wait.
    pub(super) fn begin(&mut self, block: BlockId, now: Duration) {
        if self.begun.len() < SAMPLE {
            self.begun.insert(block, now);
        }
    }

    /// Blocks were handed out.
    pub(super) fn end(&mut self, claimed: &[Claimed], now: Duration) {
        for row in claimed {
            let Some(begun) = self.begun.remove(&row.block) else { continue };
            let waits = self.last.entry(row.queue.clone()).or_default();
            waits.truncate(WINDOW - 1);
            waits.push_front(now.saturating_sub(begun).as_secs_f64());
        }
    }

    /// Drops what will hardly be handed out any more.
    pub(super) fn sweep(&mut self, now: Duration) {
        self.begun.retain(|_, begun| now.saturating_sub(*begun) < LONGEST);
    }

    /// The mean over the last, in seconds.
    pub(super) fn mean(&self, queue: &QueueName) -> Option<f64> {
        let waits = self.last.get(queue)?;
        Some(waits.iter().sum::<f64>() / waits.len() as f64)
    }
}
