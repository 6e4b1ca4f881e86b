//! Trying again: how long between two tries, and when to give up.

use std::{pin::Pin, time::Duration};

use skep_queue::Random;
use tokio::time::Sleep;

/// The patience of one caller: a total time, spent in growing pauses.
pub(super) struct Patience<'a> {
    end: Option<Pin<Box<Sleep>>>,
    tries: u32,
    random: &'a dyn Random,
}

/// How long to wait before the next try after the `n`-th, from 1: `1 + ln(n)` seconds and up to half of it
/// more, so that those who wait for the same queue do not come back together.
pub(super) fn pause(n: u32, random: &dyn Random) -> Duration {
    Duration::from_secs_f64((1.0 + f64::from(n.max(1)).ln()) * (1.0 + random.fraction() / 2.0))
}

impl<'a> Patience<'a> {
    /// It begins now.
    pub(super) fn new(total: Duration, random: &'a dyn Random) -> Self {
        let end = (!total.is_zero()).then(|| Box::pin(tokio::time::sleep(total)));
        Self { end, tries: 0, random }
    }

    /// Waits for the next try, a [`pause`] or as long as the other side said; false when it is over. The last try comes when time is up, however long the pause had been.
    pub(super) async fn wait(&mut self, at_least: Option<Duration>) -> bool {
        let Some(end) = &mut self.end else { return false };
        self.tries = self.tries.saturating_add(1);
        let pause = pause(self.tries, self.random).max(at_least.unwrap_or_default());
        let over = tokio::select! {
            () = end => true,
            () = tokio::time::sleep(pause) => false,
        };
        if over {
            self.end = None;
        }
        true
    }
}
