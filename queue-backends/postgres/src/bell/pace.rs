//! How often to ring, and how often to look: pure.

use std::time::Duration;

/// Least time between two rings of a process. A NOTIFY takes a lock that all of the server's share.
const GAP: Duration = Duration::from_millis(10);
/// How often to look when there is nothing.
const SLOW: Duration = Duration::from_secs(1);
/// The same while a bell works. Together with its beats an idle drone then asks less than once a second.
const HEARING: Duration = Duration::from_millis(1400);
/// How often to look while work flows and no bell works.
const FAST: Duration = Duration::from_millis(20);

/// Who rings, and when.
#[derive(Debug, Default)]
pub(super) struct Gate {
    last: Option<Duration>,
    /// Somebody will ring when the gate opens.
    waiting: bool,
}

/// What somebody who wants to ring does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ring {
    Now,
    /// Once that has passed.
    After(Duration),
    /// Nothing: the one who waits rings for both.
    WithAnother,
}

/// How patient whoever waits for work is.
#[derive(Debug)]
pub(super) struct Pace {
    poll: Duration,
    /// How often somebody was told to pump since a pump last found something.
    fruitless: u32,
}

// === impl Gate ===

impl Gate {
    /// Somebody wants to ring.
    pub(super) fn ask(&mut self, now: Duration) -> Ring {
        let passed = self.last.map_or(GAP, |last| now.saturating_sub(last));
        if self.waiting {
            Ring::WithAnother
        } else if passed >= GAP {
            self.last = Some(now);
            Ring::Now
        } else {
            self.waiting = true;
            Ring::After(GAP - passed)
        }
    }

    /// The one who waited rings now.
    pub(super) fn opens(&mut self, now: Duration) {
        (self.last, self.waiting) = (Some(now), false);
    }
}

// === impl Pace ===

impl Default for Pace {
    fn default() -> Self {
        Self { poll: SLOW, fruitless: 0 }
    }
}

impl Pace {
    /// A pump found something.
    pub(super) fn flows(&mut self) {
        *self = Self { poll: FAST, fruitless: 0 };
    }

    /// Somebody is told to pump.
    pub(super) fn found(&mut self) {
        self.fruitless = self.fruitless.saturating_add(1);
    }

    /// How long to wait before anything: when what was found was for others, again and again, one need not
    /// be the first.
    pub(super) fn pause(&self) -> Duration {
        FAST * self.fruitless.saturating_sub(1).min(2)
    }

    /// When to look again, if nobody rings; `fraction` is random.
    pub(super) fn poll(&mut self, bell_works: bool, fraction: f64) -> Duration {
        let poll = if bell_works { HEARING } else { self.poll };
        self.poll = (self.poll * 2).min(SLOW);
        poll.mul_f64(fraction.mul_add(0.4, 0.8))
    }
}

#[cfg(test)]
mod tests {
    use skep_queue::{Clock, testing::TestClock};

    use super::*;

    #[test]
    fn rings_are_told_together_and_none_is_lost() {
        let clock = TestClock::new();
        let mut gate = Gate::default();
        assert_eq!(gate.ask(clock.elapsed()), Ring::Now, "the first at once");
        clock.advance(Duration::from_millis(4));
        assert_eq!(gate.ask(clock.elapsed()), Ring::After(Duration::from_millis(6)));
        assert_eq!(gate.ask(clock.elapsed()), Ring::WithAnother);
        clock.advance(Duration::from_millis(60));
        assert_eq!(gate.ask(clock.elapsed()), Ring::WithAnother, "however late that one is");
        gate.opens(clock.elapsed());
        assert_eq!(gate.ask(clock.elapsed()), Ring::After(GAP), "what came after it has one of its own");
        gate.opens(clock.elapsed());
        clock.advance(GAP);
        assert_eq!(gate.ask(clock.elapsed()), Ring::Now);
    }

    #[test]
    fn who_finds_work_looks_again_soon_and_then_less_often() {
        let mut pace = Pace::default();
        assert_eq!(pace.poll(false, 0.5), SLOW);
        pace.flows();
        let looks: Vec<u128> = (0..8).map(|_| pace.poll(false, 0.5).as_millis()).collect();
        assert_eq!(looks, [20, 40, 80, 160, 320, 640, 1000, 1000]);
        pace.flows();
        assert_eq!(pace.poll(true, 0.5), HEARING, "a bell that works is enough");
        let (least, most) = (pace.poll(true, 0.0), pace.poll(true, 1.0));
        assert!(least >= HEARING.mul_f64(0.8) && most <= HEARING.mul_f64(1.2));
    }

    #[test]
    fn who_finds_nothing_again_and_again_slows_down() {
        let mut pace = Pace::default();
        let pauses: Vec<Duration> = (0..9)
            .map(|_| {
                pace.found();
                pace.pause()
            })
            .collect();
        assert_eq!((pauses[0], pauses[1], pauses[8]), (Duration::ZERO, FAST, FAST * 2));
        pace.flows();
        assert_eq!(pace.pause(), Duration::ZERO);
    }
}
