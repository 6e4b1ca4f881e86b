//! How fast a spool empties: many submitters come back from an outage at once, and a queue that has just
//! got up again should not be knocked over by them.

use std::time::Duration;

/// Tasks a second at first, and in the long run.
const RATES: [f64; 2] = [200.0, 5_000.0];
/// Most tasks of one call, at any rate.
const MOST: f64 = 1024.0;

/// The pace of one delivery: doubled with each call that went well.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rate: RATES[0] }
    }
}

impl Pace {
    /// Most tasks of the next call: a quarter of a second's.
    pub(crate) fn most(&self) -> usize {
        (self.rate / 4.0).min(MOST) as usize
    }

    /// How long to rest after a call of so many tasks; the next one may be larger.
    pub(crate) fn rest(&mut self, tasks: usize) -> Duration {
        let rest = Duration::from_secs_f64(tasks as f64 / self.rate);
        self.rate = (self.rate * 2.0).min(RATES[1]);
        rest
    }

    /// A call did not go well.
    pub(crate) fn stumble(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_slowly_and_never_exceeds_its_rate() {
        let (mut pace, mut took, mut calls) = (Pace::default(), Duration::ZERO, Vec::new());
        for _ in 0..20 {
            let most = pace.most();
            took += pace.rest(most);
            calls.push(most);
        }
        assert_eq!(calls[..4], [50, 100, 200, 400]);
        let tasks: usize = calls.iter().sum();
        assert!(tasks as f64 / took.as_secs_f64() <= 5_000.0 && calls.iter().all(|most| *most <= 1024));
        assert!(
            took < Duration::from_secs(10) && tasks > 10_000,
            "a full spool in seconds: {tasks} in {took:?}"
        );
        pace.stumble();
        assert_eq!(pace.most(), 50);
    }
}
