//! How long a drone takes for a task, from what the manager sees of it.

use std::{collections::VecDeque, time::Duration};

/// How many ended tasks count.
const LAST: usize = 20;

/// The mean time of a run. A drone that has been given n tasks runs as many of them as it has hands: the time
/// that hands were busy, over the tasks that ended in it, is the mean, however many were given or settled at
/// once, and however long those waited that had no hand yet.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Until when `busy` is counted, by [`Clock::elapsed`](skep_queue::Clock::elapsed).
    until: Duration,
    /// Seconds of hands since the last end.
    busy: f64,
    /// Seconds of hands, and how many tasks ended with them; the latest last.
    ended: VecDeque<(f64, usize)>,
    mean: Option<f64>,
}

impl Pace {
    /// So many hands were busy until now.
    pub(super) fn pass(&mut self, now: Duration, busy: usize) {
        self.busy += now.saturating_sub(self.until).as_secs_f64() * busy as f64;
        self.until = now;
    }

    /// So many runs ended just now.
    pub(super) fn end(&mut self, tasks: usize) {
        if tasks == 0 {
            return;
        }
        self.ended.push_back((std::mem::take(&mut self.busy), tasks));
        let mut counted: usize = self.ended.iter().map(|(_, tasks)| tasks).sum();
        while let Some((_, oldest)) = self.ended.front()
            && counted - oldest >= LAST
        {
            counted -= oldest;
            self.ended.pop_front();
        }
        let busy: f64 = self.ended.iter().map(|(busy, _)| busy).sum();
        self.mean = Some(busy / counted as f64);
    }

    /// Seconds a run; none before the first has ended.
    pub(super) const fn mean(&self) -> Option<f64> {
        self.mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn mean_ms(pace: &Pace) -> Option<u64> {
        pace.mean().map(|mean| (mean * 1000.0).round() as u64)
    }

    #[test]
    fn the_mean_is_that_of_a_run_however_tasks_come_and_go() {
        let mut pace = Pace::default();
        pace.pass(ms(1000), 0);
        assert_eq!(mean_ms(&pace), None);
        // Eight tasks of 20 ms on two hands, settled as one block.
        pace.pass(ms(1080), 2);
        pace.end(8);
        assert_eq!(mean_ms(&pace), Some(20));
        // An idle hour, then two at once, settled one by one.
        pace.pass(ms(3_601_080), 0);
        pace.pass(ms(3_601_100), 2);
        pace.end(1);
        pace.end(1);
        assert_eq!(mean_ms(&pace), Some(20));
    }

    #[test]
    fn the_last_twenty_count() {
        let mut pace = Pace::default();
        for n in 1..=20 {
            pace.pass(ms(n * 10), 1);
            pace.end(1);
        }
        assert_eq!(mean_ms(&pace), Some(10));
        for n in 1..=10 {
            pace.pass(ms(200 + n * 30), 1);
            pace.end(1);
        }
        assert_eq!(mean_ms(&pace), Some(20), "half of them");
        pace.pass(ms(500 + 128 * 50), 1);
        pace.end(128);
        assert_eq!(mean_ms(&pace), Some(50), "a block that ends as one");
        pace.end(0);
        assert_eq!(mean_ms(&pace), Some(50));
    }
}
