//! The suite of the contract, through an encrypted connection.

mod fixture;

use std::sync::Arc;

use skep_queue::testing::{TestClock, side_by_side};

skep_queue::conformance!(crate::fixture::tcp::fresh().await);

/// Random histories, lost replies among them, through it and on the model.
#[test]
fn histories_are_like_the_models() {
    let cases = std::env::var("SKEP_CASES").ok().and_then(|cases| cases.parse().ok());
    side_by_side(cases.unwrap_or(20), async |clock: Arc<TestClock>| fixture::tcp::fresh_at(clock).await);
}
