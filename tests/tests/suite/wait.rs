//! Waiting for conditions, lengths and seeds; and tests that cannot run here, said aloud.

use std::time::Duration;

use skep_queue::{Clock, Random, clock::SystemClock, testing::TestRandom};

/// How long anything may take that a test waits for.
pub const BOUND: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// The short form, or the long one when `SKEP_LONG=1` says so.
pub fn short_or_long<T>(short: T, long: T) -> T {
    if std::env::var("SKEP_LONG").is_ok_and(|value| value == "1") { long } else { short }
}

/// Chance by a seed that is printed; `SKEP_SEED` sets it.
pub struct Chance(std::sync::Arc<TestRandom>);

impl Chance {
    pub fn new(test: &str) -> Self {
        let given = std::env::var("SKEP_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| SystemClock.now().micros().unsigned_abs());
        eprintln!("{test}: SKEP_SEED={seed}");
        Self(TestRandom::new(seed))
    }

    /// A number from `range`.
    pub fn within(&self, range: std::ops::Range<u64>) -> u64 {
        let width = (range.end - range.start) as f64;
        range.start + (self.0.fraction() * width) as u64
    }
}

/// Returns what `look` finds, once it finds it.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    bound: Duration,
    mut look: impl FnMut() -> F,
) -> T {
    let begun = SystemClock.elapsed();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        let waited = SystemClock.elapsed().saturating_sub(begun);
        assert!(waited < bound, "not within {bound:?}: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The same, for what can be looked at without waiting.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, BOUND, || std::future::ready(holds().then_some(()))).await;
}

/// Lets a moment of a fault's schedule come: chance, not a condition that the test relies on.
pub async fn moment(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Says that a test could not run here, and why: on stderr, and in the list that the test command prints.
pub fn skip(test: &str, why: &str) {
    use std::io::Write;
    let line = format!("SKIPPED: {test}: {why}");
    eprintln!("{line}");
    let list = std::env::var_os("SKEP_SKIPPED").map(std::path::PathBuf::from);
    let list = list.unwrap_or_else(|| skep_tests::house::root().join("target/skipped.txt"));
    let file = std::fs::OpenOptions::new().create(true).append(true).open(list);
    file.and_then(|mut file| writeln!(file, "{line}")).unwrap();
}
