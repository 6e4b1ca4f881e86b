//! How long those that wait have waited, in bands.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many available tasks have been due for how long. Each is counted once: one that has been due for exactly
/// 10 s is no longer `under_10s`. The keys are a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Waits {
    /// For less than a second.
    pub under_1s: u64,
    /// For 1 to 10 seconds.
    pub under_10s: u64,
    /// For 10 seconds to a minute.
    pub under_1m: u64,
    /// For 1 to 10 minutes.
    pub under_10m: u64,
    /// For 10 minutes to an hour.
    pub under_1h: u64,
    /// For an hour or more.
    pub longer: u64,
}

impl Waits {
    /// What divides the bands: each ends where the next begins, and the last has no end.
    pub const BOUNDS: [Duration; 5] = [
        Duration::from_secs(1),
        Duration::from_secs(10),
        Duration::from_secs(60),
        Duration::from_secs(600),
        Duration::from_secs(3600),
    ];

    /// Counts tasks that have been due for so long.
    pub fn add(&mut self, waited: Duration, tasks: u64) {
        let band = Self::BOUNDS.iter().filter(|bound| waited >= **bound).count();
        let mut bands = <[u64; 6]>::from(*self);
        bands[band] += tasks;
        *self = bands.into();
    }
}

/// From the shortest wait to the longest.
impl From<[u64; 6]> for Waits {
    fn from([under_1s, under_10s, under_1m, under_10m, under_1h, longer]: [u64; 6]) -> Self {
        Self { under_1s, under_10s, under_1m, under_10m, under_1h, longer }
    }
}

impl From<Waits> for [u64; 6] {
    fn from(waits: Waits) -> Self {
        let Waits { under_1s, under_10s, under_1m, under_10m, under_1h, longer } = waits;
        [under_1s, under_10s, under_1m, under_10m, under_1h, longer]
    }
}
