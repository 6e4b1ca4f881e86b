//! The suite of the contract, on a SQLite file.

mod common;

use std::sync::Arc;

use skep_queue::testing::{TestClock, side_by_side};

skep_queue::conformance!(crate::common::fresh());

/// Random histories, lost replies among them, on the file and on the model.
#[test]
fn histories_are_like_the_models() {
    side_by_side(150, async |clock: Arc<TestClock>| common::fresh_at(clock));
}
