//! Time and randomness that a test owns.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{Clock, Random, Timestamp};

/// 2026-01-01, in microseconds.
const START: i64 = 1_767_225_600_000_000;

/// A clock that moves when it is told to.
#[derive(Debug)]
pub struct TestClock(Mutex<Hands>);

#[derive(Debug)]
struct Hands {
    wall: i64,
    elapsed: Duration,
}

impl TestClock {
    /// A clock at the start of 2026, an hour after its machine started.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Hands { wall: START, elapsed: Duration::from_secs(3600) })))
    }

    /// Time passes, on both clocks.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hands.wall += i64::try_from(by.as_micros()).expect("a test's span");
        hands.elapsed += by;
    }

    /// Somebody sets the wall clock, forth or back; no time passes.
    pub fn step_wall(&self, micros: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wall += micros;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.lock().unwrap_or_else(PoisonError::into_inner).wall)
    }

    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed
    }
}

/// Randomness from a seed (splitmix64): the same each time.
#[derive(Debug)]
pub struct TestRandom(AtomicU64);

impl TestRandom {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(seed)))
    }

    fn next(&self) -> u64 {
        let z =
            self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Random for TestRandom {
    fn bytes(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.next().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next().to_be_bytes()[..2]);
        bytes
    }
}
