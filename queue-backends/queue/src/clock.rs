//! Time and randomness. This file is the one adapter: everything else takes a [`Clock`] and a [`Random`],
//! so that tests own both.

use std::{
    ops::{Add, Sub},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A moment: microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// How long after `earlier`; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0).cast_unsigned())
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// Reads time.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock. Only a backend's is ever compared.
    fn now(&self) -> Timestamp;

    /// Time that passed since some fixed point, suspended time included: never falls.
    fn elapsed(&self) -> Duration;
}

/// Makes random bytes, for ids and jitter.
pub trait Random: Send + Sync + 'static {
    /// Ten random bytes: what a version 7 UUID takes.
    fn bytes(&self) -> [u8; 10];

    /// A number from 0 up to, not including, 1.
    fn fraction(&self) -> f64 {
        let b = self.bytes();
        let bits = u64::from_be_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The machine's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the adapter")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        // CLOCK_BOOTTIME counts a suspended machine's sleep, which CLOCK_MONOTONIC hides.
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the adapter")]
    fn bytes(&self) -> [u8; 10] {
        let id = uuid::Uuid::new_v4().into_bytes();
        // Bytes 6 and 8 carry the version and the variant; the other fourteen are random.
        [id[0], id[1], id[2], id[3], id[4], id[5], id[9], id[10], id[11], id[12]]
    }
}
