//! A suite that has never failed proves nothing: each mistake in the model must be caught by a clause.
#![cfg(feature = "testing")]

use std::sync::Arc;

use skep_queue::testing::{Bench, Model, TestClock, failures, model::Bug};

/// Each mistake, and a clause that must be among those that catch it.
const BUGS: &[(Bug, &str)] = &[
    (Bug::NoClaimGuard, "pump::nothing_that_is_claimed"),
    (Bug::SettleById, "settle::another_claim_is_stale"),
    (Bug::FenceKept, "pump::every_claim_raises_the_fence"),
    (Bug::KeyFreedAtRetry, "unique::a_retry_keeps_the_key"),
    (Bug::NoOutageRule, "lease::a_gap_in_the_watching_is_an_outage"),
    (Bug::RoomOffByOne, "pump::room_is_never_exceeded"),
    (Bug::CapacityOffByOne, "capacity::a_queue_never_holds_more"),
    (Bug::HalfCall, "submit::a_call_that_fails_leaves_nothing"),
    (Bug::CancelOnce, "beat::a_cancel_is_repeated_until_the_end"),
    (Bug::NoPostback, "followup::a_postback_follows_every_terminal_ending"),
    (Bug::ReleaseCounts, "settle::release_counts_nothing_and_keeps_its_place"),
    (Bug::PumpAgainClaims, "pump::repeated_it_answers_the_same"),
    (Bug::LateLoses, "lease::late_but_unclaimed_wins"),
    (Bug::BeatsFromOne, "lease::who_comes_back_begins_anew"),
    (Bug::NotDue, "pump::nothing_before_it_is_due"),
    (Bug::NeverPromoted, "promote::who_waits_long_is_promoted"),
    (Bug::PromotedFirst, "promote::order_among_the_promoted_is_as_ever"),
    (Bug::RescueReleases, "rescue::a_word_rescues_at_once"),
];

#[tokio::test]
async fn every_mutant_is_caught() {
    for (bug, clause) in BUGS {
        let fresh = || async {
            let clock = TestClock::new();
            Bench::of_model(Model::with_bug(Arc::clone(&clock) as _, *bug), clock)
        };
        let caught: Vec<&str> = failures(fresh).await.into_iter().map(|(name, _)| name).collect();
        println!("{bug:?} is caught by {}", caught.join(", "));
        assert!(caught.contains(clause), "{bug:?} was to be caught by {clause}, and was by {caught:?}");
    }
}

#[tokio::test]
async fn the_model_itself_has_no_failures() {
    assert_eq!(failures(|| async { Bench::model() }).await, []);
}
