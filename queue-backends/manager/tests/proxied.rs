//! The suite of the contract, through an encrypted connection that a proxy torments, with a store behind the
//! manager that loses replies of its own.

mod fixture;

use std::sync::{Arc, atomic::Ordering::Relaxed};

use fixture::{proxied, proxy::Faults};
use skep_queue::{
    Block,
    clock::{SystemClock, SystemRandom},
    testing::{Bench, TestClock, side_by_side},
};

/// A seed for each clause, the same each time.
fn seed() -> u64 {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default();
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

async fn fresh() -> Bench {
    proxied::fresh(TestClock::new(), seed(), Faults::one_in(25)).await.bench
}

skep_queue::conformance!(crate::fresh().await);

/// Random histories, through it and on the model.
#[test]
fn histories_are_like_the_models() {
    let cases = std::env::var("SKEP_CASES").ok().and_then(|cases| cases.parse().ok());
    side_by_side(cases.unwrap_or(20), async |clock: Arc<TestClock>| {
        proxied::fresh(clock, seed(), Faults::one_in(25)).await.bench
    });
}

/// The torment is real: each kind of it, and the store's own.
#[tokio::test]
async fn everything_goes_wrong_and_nothing_is_lost_or_twice() {
    let place = proxied::fresh(TestClock::new(), 7, Faults::one_in(10)).await;
    for _ in 0..300 {
        let block = Block::one("t".parse().unwrap(), "{}", &SystemClock, &SystemRandom);
        place.bench.accept(&block).await;
    }
    assert_eq!(place.bench.depth().await, 300);
    let injected = place.proxy.injected();
    for count in [&injected.cut, &injected.lost, &injected.delayed, &injected.dribbled] {
        assert!(count.load(Relaxed) > 3, "{injected:?}");
    }
    assert!(place.store.injected().reply_lost.load(Relaxed) > 3, "{:?}", place.store.injected());
    eprintln!("{injected:?}, {:?}", place.store.injected());
    place.bench.backend.arrival(&[]).await;
}
