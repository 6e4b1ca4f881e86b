//! The model beside itself, and beside models with mistakes in them.
#![cfg(feature = "testing")]

use std::{panic::AssertUnwindSafe, sync::Arc};

use skep_queue::testing::{Bench, Model, TestClock, model::Bug, side_by_side};

#[test]
fn the_model_is_like_itself() {
    side_by_side(200, async |clock: Arc<TestClock>| {
        Bench::of_model(Model::new(Arc::clone(&clock) as _), clock)
    });
}

#[test]
fn a_history_shows_what_is_wrong() {
    for bug in
        [Bug::NoClaimGuard, Bug::SettleById, Bug::CapacityOffByOne, Bug::LateLoses, Bug::KeyFreedAtRetry]
    {
        let mutant = async |clock: Arc<TestClock>| {
            Bench::of_model(Model::with_bug(Arc::clone(&clock) as _, bug), clock)
        };
        let caught = std::panic::catch_unwind(AssertUnwindSafe(|| side_by_side(300, mutant)));
        let why = caught.expect_err(&format!("{bug:?} was to be caught"));
        println!("{bug:?} {}", why.downcast_ref::<String>().expect("a text"));
    }
}
