//! The suite of the contract, on PostgreSQL.

mod fixture;

use std::sync::Arc;

use skep_queue::testing::{TestClock, side_by_side};

skep_queue::conformance!(crate::fixture::fresh().await);

/// Random histories, lost replies among them, on the database and on the model. `SKEP_CASES` and
/// `PROPTEST_RNG_SEED` ask for more, and others.
#[test]
fn histories_are_like_the_models() {
    let cases = std::env::var("SKEP_CASES").ok().and_then(|cases| cases.parse().ok());
    side_by_side(cases.unwrap_or(60), async |clock: Arc<TestClock>| fixture::fresh_at(clock).await);
}
