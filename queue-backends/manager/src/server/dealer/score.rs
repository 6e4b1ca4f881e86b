//! Who is the most available, and how much of a backlog is a drone's share. Pure.

use std::{cmp::Ordering, time::Duration};

/// How much work, in time, a drone is given ahead while others wait for work of the same kind: long enough to
/// hide a round trip, short enough that nobody idles for long beside what another hoards.
pub(super) const AHEAD: Duration = Duration::from_millis(500);

/// What a drone has to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    /// How many tasks it can run at once, at least 1.
    pub(super) hands: usize,
    /// How many it has been given and has not settled.
    pub(super) assigned: usize,
    /// The mean time of a run, in seconds; none before the first has ended.
    pub(super) mean: Option<f64>,
}

impl Load {
    /// Hands that have nothing to do.
    pub(super) const fn free(self) -> usize {
        self.hands.saturating_sub(self.assigned)
    }

    /// `Less` when this one is more available. Who has a free hand comes first, then who takes the least time
    /// for what it has and one more. Of a drone without history nothing is known: it comes first, so that
    /// something will be; the more free hands, the sooner.
    pub(super) fn compare(self, other: Self) -> Ordering {
        let busy = |load: Self| load.free() == 0;
        let by_time = || self.time().total_cmp(&other.time());
        busy(self).cmp(&busy(other)).then_with(by_time).then_with(|| other.free().cmp(&self.free()))
    }

    fn time(self) -> f64 {
        let whole = (self.assigned + 1) as f64 * self.mean.unwrap_or(0.0);
        if self.free() > 0 { whole } else { whole / self.hands as f64 }
    }

    /// Most tasks to give while others wait for the same: one for each free hand, twice as many after each
    /// share that was taken whole (`streak` of them), but no more than are done in [`AHEAD`]. Without history
    /// only what its hands can begin at once.
    pub(super) fn share(self, streak: u32) -> usize {
        let ramp = self.free().max(1).saturating_mul(1 << streak.min(20));
        let ahead = self.mean.map_or(0, |mean| {
            let done = AHEAD.as_secs_f64() * self.hands as f64 / mean.max(1e-9);
            (done as usize).saturating_sub(self.assigned)
        });
        ramp.min(ahead.max(self.free()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(hands: usize, assigned: usize, millis: u32) -> Load {
        let mean = (millis > 0).then(|| f64::from(millis) / 1000.0);
        Load { hands, assigned, mean }
    }

    #[test]
    fn the_most_available_comes_first() {
        // Each before the next.
        let orders: [&[Load]; 6] = [
            // Free hands before none, however slow.
            &[load(2, 1, 900), load(2, 2, 1)],
            // Of those with free hands: the time for what it has and one more.
            &[load(4, 0, 20), load(4, 1, 20), load(4, 0, 60), load(4, 3, 20)],
            // Without history by free hands, and before those with one.
            &[load(4, 0, 0), load(4, 2, 0), load(1, 0, 0), load(8, 0, 1)],
            // Without free hands, by the time until one is: 3 x 20 / 2, 9 x 20 / 4, 2 x 60 / 1.
            &[load(2, 2, 20), load(4, 8, 20), load(1, 1, 60)],
            // Three times as slow, three times as much.
            &[load(1, 4, 20), load(1, 1, 60), load(1, 6, 20)],
            &[load(1, 0, 0), load(1, 0, 5), load(1, 1, 0), load(1, 1, 5)],
        ];
        for order in orders {
            for pair in order.windows(2) {
                assert_eq!(pair[0].compare(pair[1]), Ordering::Less, "{pair:?}");
                assert_eq!(pair[1].compare(pair[0]), Ordering::Greater, "{pair:?}");
            }
        }
        assert_eq!(load(2, 1, 20).compare(load(2, 1, 20)), Ordering::Equal);
    }

    #[test]
    fn shares_grow_with_the_backlog_and_end_with_the_time() {
        let table = [
            // Idle: what the hands can begin, then twice as much each time.
            (load(4, 0, 1), 0, 4),
            (load(4, 0, 1), 1, 8),
            (load(4, 0, 1), 5, 128),
            // Not more than half a second of work: 25 x 20 ms a hand, less what it has.
            (load(1, 0, 20), 10, 25),
            (load(1, 20, 20), 10, 5),
            (load(1, 25, 20), 10, 0),
            (load(2, 30, 20), 10, 20),
            // A third of that for one that is three times as slow.
            (load(1, 0, 60), 10, 8),
            // Long tasks: one for each free hand, and none ahead.
            (load(2, 0, 60_000), 3, 2),
            (load(2, 1, 60_000), 3, 1),
            (load(2, 2, 60_000), 3, 0),
            // Without history the same.
            (load(2, 0, 0), 9, 2),
            (load(2, 2, 0), 9, 0),
            // So short that time sets no bound.
            (Load { hands: 1, assigned: 0, mean: Some(0.0) }, 40, 1 << 20),
        ];
        for (load, streak, share) in table {
            assert_eq!(load.share(streak), share, "{load:?} after {streak}");
        }
    }
}
