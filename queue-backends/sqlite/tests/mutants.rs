//! A suite that has never failed proves nothing: the embedded queue is broken on purpose, in one way after
//! the other, and each must be caught by the clause that says so.
//!
//! `cargo test -p skep-sqlite --features mutants --test mutants -- --nocapture` prints the table.

mod fixture;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use skep_queue::testing::CLAUSES;
use skep_sqlite::mutant::{Mutant, activate};

/// Each fault, and a clause that must be among those that catch it.
const MUTANTS: &[(Mutant, &str)] = &[
    (Mutant::NoClaimGuard, "pump::nothing_that_is_claimed"),
    (Mutant::SettleById, "settle::another_claim_is_stale"),
    (Mutant::AnswerWithoutCommit, "several::what_is_accepted_is_durable"),
    (Mutant::CountOutside, "capacity::concurrent_submits_never_exceed_it"),
    (Mutant::FenceKept, "pump::every_claim_raises_the_fence"),
    (Mutant::KeyFreedAtClaim, "unique::replace_of_a_claimed_task_conflicts"),
    (Mutant::KeyFreedAtRetry, "unique::a_retry_keeps_the_key"),
    (Mutant::NoOutageRule, "lease::a_gap_in_the_watching_is_an_outage"),
    (Mutant::MaskOffByOne, "blocks::the_first_and_the_last_ordinal_work"),
    (Mutant::RoomByBlocks, "pump::room_is_never_exceeded"),
    (Mutant::RetryForgetsAttempt, "settle::failures_are_kept_in_order"),
    (Mutant::FollowUpsOutside, "followup::no_room_refuses_the_ending"),
    (Mutant::RunAtIgnored, "pump::nothing_before_it_is_due"),
    (Mutant::PumpAgainClaims, "pump::repeated_it_answers_the_same"),
    (Mutant::StaleAfterReclaim, "lease::late_and_reclaimed_is_stale"),
    (Mutant::ReleaseCounts, "settle::release_counts_nothing_and_keeps_its_place"),
    (Mutant::PriorityReversed, "pump::lowest_priority_number_first"),
    (Mutant::PhantomsHidden, "beat::what_was_not_listed_is_a_phantom"),
    (Mutant::RetentionIgnored, "settle::retention_zero_keeps_nothing"),
    (Mutant::SweepTooEarly, "settle::retention_keeps_results_until_it_ends"),
    (Mutant::HalfCall, "submit::a_call_that_fails_leaves_nothing"),
    (Mutant::CancelOnce, "beat::a_cancel_is_repeated_until_the_end"),
    (Mutant::LateLoses, "lease::late_but_unclaimed_wins"),
    (Mutant::SettleForgotten, "settle::repeated_it_answers_already"),
    (Mutant::ClaimKeptAtRetry, "settle::a_claim_that_was_given_up_is_stale"),
    (Mutant::DepthKeptAtDiscard, "capacity::the_end_of_a_task_makes_room"),
    (Mutant::PausedIgnored, "pump::nothing_of_a_paused_type"),
    (Mutant::ResultsShifted, "settle::retention_keeps_results_until_it_ends"),
    (Mutant::AdoptionIgnored, "beat::a_listed_claim_is_adopted"),
    (Mutant::FenceResetAtRevival, "operate::a_discarded_task_begins_anew"),
    (Mutant::BodyDroppedEarly, "submit::repeated_after_the_end_it_still_exists"),
    (Mutant::BeginningForgotten, "capacity::what_refused_once_refuses_what_follows"),
    (Mutant::LastSubmittedFirst, "pump::then_the_first_submitted"),
    (Mutant::RevivalIgnoresKey, "operate::bringing_back_needs_its_key"),
    (Mutant::RevivalIgnoresCapacity, "operate::bringing_back_needs_room"),
    (Mutant::InterruptsUnlimited, "settle::interrupt_counts_to_its_limit"),
    (Mutant::LossesUnlimited, "lease::the_loss_limit_discards"),
    (Mutant::PostbackOfSettlesOnly, "followup::a_postback_follows_an_operator"),
    (Mutant::RetentionAsItWas, "settle::retention_that_changes_holds_for_what_has_ended"),
    (Mutant::RescueTakesThePlace, "lease::what_is_rescued_keeps_its_place"),
    (Mutant::SuspectKept, "settle::suspects_are_remembered"),
    (Mutant::RescueBeforeAdoption, "lease::a_successor_comes_before_the_rescue"),
    (Mutant::SameIdAnyType, "submit::another_type_or_queue_under_an_id_conflicts"),
    (Mutant::IntakeBindsFollowUps, "followup::intake_binds_submitters_only"),
    (Mutant::CancelLostAtRescue, "lease::a_cancelled_task_is_not_rescued"),
    (Mutant::FenceKeptAtSplit, "several::two_processes_never_share_a_task"),
    (Mutant::DrainForgotten, "beat::a_drain_is_told"),
    (Mutant::SplitTakesAll, "blocks::a_block_is_split_where_the_room_ends"),
    (Mutant::ConflictIgnoredInFollowUps, "followup::a_conflict_refuses_the_ending"),
    (Mutant::BeatsFromOne, "lease::who_comes_back_begins_anew"),
    (Mutant::NeverPromoted, "promote::who_waits_long_is_promoted"),
    (Mutant::PromotedFirst, "promote::order_among_the_promoted_is_as_ever"),
    (Mutant::RescueReleases, "rescue::a_word_rescues_at_once"),
    (Mutant::ClaimedAge, "promote::queues_tell_how_many_wait_how_long"),
];

/// Runs every clause at once, each with a file of its own; answers the names of those that failed.
async fn caught() -> BTreeSet<&'static str> {
    let (mut running, mut names) = (tokio::task::JoinSet::new(), HashMap::new());
    for (name, clause) in CLAUSES {
        let run = async { tokio::time::timeout(Duration::from_secs(60), clause(fixture::fresh())).await };
        names.insert(running.spawn(run).id(), *name);
    }
    let mut failed = BTreeSet::new();
    while let Some(ended) = running.join_next_with_id().await {
        match ended {
            Ok((_, Ok(()))) => {}
            Ok((id, Err(_))) => failed.extend(names.get(&id)),
            Err(panic) => failed.extend(names.get(&panic.id())),
        }
    }
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_mutant_is_caught() {
    std::panic::set_hook(Box::new(|_| {}));
    let sound = caught().await;
    let mut wrong = Vec::new();
    for (mutant, clause) in MUTANTS {
        activate(*mutant);
        let by = caught().await;
        let named = by.contains(clause);
        let list: Vec<&str> = by.into_iter().collect();
        println!("| {mutant:?} | {} | {}", list.len(), list.join(", "));
        if !named {
            wrong.push(format!("{mutant:?} was to be caught by {clause}, and was by {list:?}"));
        }
    }
    activate(Mutant::None);
    let _ = std::panic::take_hook();
    assert!(sound.is_empty(), "without a mutant: {sound:?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
