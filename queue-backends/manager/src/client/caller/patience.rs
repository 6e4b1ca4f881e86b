//! Trying again: after a refusal, and when a link was lost.

use std::time::Duration;

use skep_queue::{Clock, Random};

/// The first pause when a link was lost, and the longest.
const LULLS: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// What to do when a task is refused: try again after `1 + ln(n)` s and up to half of it more, for so long in
/// all. Nobody does unless told to: who is refused had better send less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The time for all tries together.
    pub within: Duration,
}

/// The patience of one caller who is refused.
pub(super) struct Patience<'a> {
    left: Duration,
    tries: u32,
    clock: &'a dyn Clock,
    random: &'a dyn Random,
    begun: Duration,
}

impl<'a> Patience<'a> {
    /// It begins now; without a retry it is over at once.
    pub(super) fn new(retry: Option<Retry>, clock: &'a dyn Clock, random: &'a dyn Random) -> Self {
        let left = retry.map_or(Duration::ZERO, |retry| retry.within);
        Self { left, tries: 0, clock, random, begun: clock.elapsed() }
    }

    /// Waits for the next try, a pause or as long as the manager said; false when the time does not suffice.
    pub(super) async fn wait(&mut self, at_least: Option<Duration>) -> bool {
        self.tries = self.tries.saturating_add(1);
        let pause = pause(self.tries, self.random).max(at_least.unwrap_or_default());
        let spent = self.clock.elapsed().saturating_sub(self.begun);
        let left = self.left.saturating_sub(spent);
        if left.is_zero() {
            return false;
        }
        // The last try comes when time is up, however long the pause had been.
        tokio::time::sleep(pause.min(left)).await;
        true
    }
}

/// How long to wait after the `n`-th refusal, from 1.
fn pause(n: u32, random: &dyn Random) -> Duration {
    Duration::from_secs_f64((1.0 + f64::from(n.max(1)).ln()) * (1.0 + random.fraction() / 2.0))
}

/// How long to wait after the `n`-th time, from 0, that a link was lost before the answer: another may be there
/// at once.
pub(super) fn lull(n: u32) -> Duration {
    let [first, longest] = LULLS;
    first.saturating_mul(1 << n.min(16)).min(longest)
}

#[cfg(test)]
mod tests {
    use skep_queue::testing::TestRandom;

    use super::*;

    #[test]
    fn pauses_grow_and_differ() {
        let random = TestRandom::new(1);
        for (n, least) in [(1, 1.0), (2, 1.69), (10, 3.3), (1_000_000, 14.8)] {
            let pause = pause(n, &*random).as_secs_f64();
            assert!((least..least * 1.52).contains(&pause), "{n}: {pause}");
        }
        assert_eq!(lull(0), LULLS[0]);
        assert_eq!(lull(u32::MAX), LULLS[1]);
    }
}
