//! Keeps one slot's process alive: again at once after one that worked, ever slower after ones that do not.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{pool::Pool, serve, start};
use crate::duration::Written;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a process came to its end.
pub(super) enum End {
    /// It worked, or was dismissed: the next one may start at once.
    Well,
    /// It was of no use, for this reason.
    Useless(String),
}

/// Runs until the pool halts.
pub(super) async fn keep(pool: Arc<Pool>, slot: usize) {
    let mut failures = 0;
    while !pool.halt.is_cancelled() {
        let end = match start::start(&pool).await {
            Ok(started) => Box::pin(serve::serve(&pool, slot, started)).await,
            Err(why) => End::Useless(why),
        };
        match end {
            End::Well => failures = 0,
            End::Useless(why) if !pool.halt.is_cancelled() => {
                let pause = pause(failures, pool.deps.random.fraction());
                failures += 1;
                let why = format!("{why}; next try in {}", Written(pause));
                tracing::warn!(worker = &*pool.name, slot, "{why}");
                pool.degrade(format!("worker {}: {why}", pool.name));
                tokio::select! {
                    () = pool.halt.cancelled() => {}
                    () = sleep(pause) => {}
                }
            }
            End::Useless(_) => {}
        }
    }
}

/// Doubles from 100 ms to 30 s; somewhere in its upper half, so that slots do not start in step.
pub(in crate::worker) fn pause(failures: u32, fraction: f64) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(failures.min(16))).min(LONGEST_PAUSE);
    let millis = longest.mul_f64(0.5 + fraction / 2.0).as_millis();
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let millis: Vec<_> = [0, 1, 2, 8, 9, 100].map(|failures| pause(failures, 1.0).as_millis()).into();
        assert_eq!(millis, [100, 200, 400, 25_600, 30_000, 30_000]);
        assert_eq!(pause(0, 0.0).as_millis(), 50);
    }
}
