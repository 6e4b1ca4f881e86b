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

impl<'a> Patience<'a> {
    /// It begins now.
    pub(super) fn new(total: Duration, random: &'a dyn Random) -> Self {
        let end = (!total.is_zero()).then(|| Box::pin(tokio::time::sleep(total)));
        Self { end, tries: 0, random }
    }

    /// Waits for the next try, `1 + ln(n)` seconds and up to half of it more, or as long as the other side
    /// said; false when it is over. The last try comes when time is up, however long the pause had been.
    pub(super) async fn wait(&mut self, at_least: Option<Duration>) -> bool {
        let Some(end) = &mut self.end else { return false };
        self.tries = self.tries.saturating_add(1);
        let own = (1.0 + f64::from(self.tries).ln()) * (1.0 + self.random.fraction() / 2.0);
        let pause = Duration::from_secs_f64(own).max(at_least.unwrap_or_default());
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
