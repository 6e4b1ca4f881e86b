//! The outage rule. After the queue itself was down every lease looks expired, and a rescue would hand out
//! again what the drones are about to report. So a rescuer counts only the silence that it has itself seen.

use std::{collections::HashMap, time::Duration};

use crate::Incarnation;

/// What one process has seen of the other drones' beats, on its own clock.
#[derive(Debug, Default)]
pub struct Watch {
    /// Per drone: its last beat number, and when this process saw it first.
    seen: HashMap<Incarnation, (u64, Duration)>,
    looked: Option<Duration>,
}

/// A drone's beat as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// Whose.
    pub drone: Incarnation,
    /// Another with each beat, and never one that was: also when the drone was forgotten and came back.
    /// Else a process that did not look in between would take it for silent all the while.
    pub number: u64,
    /// How long its lease lasts after each.
    pub ttl: Duration,
}

impl Watch {
    /// Looks at every drone's pulse at `now` ([`Clock::elapsed`](crate::Clock::elapsed)) and answers those
    /// that have been silent for their whole lease while this process watched. A gap of half a lease
    /// between two looks counts as an outage: this process did not watch.
    pub fn look(&mut self, now: Duration, pulses: &[Pulse]) -> Vec<Pulse> {
        let gap = self.looked.map_or(Duration::MAX, |looked| now.saturating_sub(looked));
        self.looked = Some(now);
        self.seen.retain(|drone, _| pulses.iter().any(|pulse| pulse.drone == *drone));
        let silent = |pulse: &&Pulse| {
            let (number, since) = self.seen.entry(pulse.drone).or_insert((pulse.number, now));
            if *number != pulse.number || gap > pulse.ttl / 2 {
                (*number, *since) = (pulse.number, now);
            }
            now.saturating_sub(*since) >= pulse.ttl
        };
        pulses.iter().filter(silent).copied().collect()
    }

    /// The queue could not be reached: every count begins again.
    pub fn outage(&mut self) {
        self.seen.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn pulse(number: u64) -> Pulse {
        Pulse { drone: Incarnation(uuid::Uuid::from_u128(1)), number, ttl: TTL }
    }

    fn looks(watch: &mut Watch, seconds: std::ops::RangeInclusive<u64>, number: u64) -> bool {
        seconds
            .step_by(10)
            .fold(false, |_, s| !watch.look(Duration::from_secs(s), &[pulse(number)]).is_empty())
    }

    #[test]
    fn only_silence_that_was_watched_counts() {
        let mut watch = Watch::default();
        assert!(!looks(&mut watch, 0..=50, 1), "fifty seconds are no lease");
        assert!(looks(&mut watch, 60..=60, 1), "sixty are");
        assert!(!looks(&mut watch, 70..=120, 2), "a beat begins a new count");
        watch.outage();
        assert!(!looks(&mut watch, 130..=180, 2), "so does an outage");
        assert!(looks(&mut watch, 190..=190, 2));
        assert!(!looks(&mut watch, 1000..=1050, 2), "and so does a gap in the watching");
        assert!(looks(&mut watch, 1060..=1060, 2));
    }
}
