//! The contract, clause by clause. A clause takes a [`Bench`] with an empty backend and panics when the
//! backend breaks it. A backend's test is one line, and a failure names the clause:
//!
//! ```ignore
//! async fn fresh() -> Bench { .. }
//! skep_queue::conformance!(fresh().await);
//! ```

use std::{future::Future, pin::Pin};

use super::Bench;

pub mod payload;
pub mod pump;
pub mod settle;
pub mod submit;

/// A clause, in a list.
pub type ClauseFn = fn(Bench) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Hands the list of clauses to a macro, after whatever else it shall get.
#[doc(hidden)]
#[macro_export]
macro_rules! each_clause {
    ([$($use:tt)*] $($with:tt)*) => {
        $($use)*! {
            $($with)*
            submit {
                accepted_is_durable_in_every_member
                repeated_it_stores_nothing
                repeated_after_the_end_it_still_exists
                another_payload_under_an_id_conflicts
                another_type_or_queue_under_an_id_conflicts
                an_empty_call_is_no_error
                a_user_brings_any_id_for_one_task
                a_block_of_several_needs_an_id_with_room_for_ordinals
                an_empty_block_is_invalid
                a_block_has_at_most_64_kib_unless_of_one
                intake_paused_or_draining_refuses
                a_call_that_fails_leaves_nothing
                a_call_that_conflicts_leaves_nothing
                existing_blocks_fail_no_call
                what_was_submitted_is_what_is_handed_out_again
            }
            payload {
                any_bytes_come_out_as_they_went_in
                json_comes_out_as_it_went_in
                what_is_no_json_is_invalid
                the_limit_fits_and_one_more_does_not
                a_queue_has_its_own_limit
                options_travel_with_the_task
                a_result_comes_back_byte_for_byte
                hostile_text_is_only_text
            }
            pump {
                room_is_never_exceeded
                lowest_priority_number_first
                then_the_earliest_due
                then_the_first_submitted
                nothing_before_it_is_due
                a_moment_that_has_passed_is_now
                a_clock_that_steps_back_hides_nothing
                nothing_that_is_claimed
                nothing_of_a_paused_type
                nothing_of_a_paused_queue
                only_of_the_queue_and_type_asked_for
                one_claim_serves_all_types
                repeated_it_answers_the_same
                repeated_it_answers_what_is_left
                every_claim_raises_the_fence
                nothing_to_hand_out_is_an_empty_answer
            }
            settle {
                complete_discard_and_cancel_are_terminal
                retry_comes_back_when_it_said
                snooze_counts_nothing
                release_counts_nothing_and_keeps_its_place
                interrupt_counts_to_its_limit
                repeated_it_answers_already
                another_outcome_is_stale
                another_claim_is_stale
                a_claim_that_was_given_up_is_stale
                what_is_not_kept_is_gone
                retention_zero_keeps_nothing
                retention_keeps_results_until_it_ends
                failures_are_kept_in_order
                suspects_are_remembered
                answers_come_in_order
            }
        }
    };
}

macro_rules! list {
    ($($module:ident { $($clause:ident)* })*) => {
        /// Every clause, by name.
        pub const CLAUSES: &[(&str, ClauseFn)] = &[
            $($((
                concat!(stringify!($module), "::", stringify!($clause)),
                |bench| Box::pin($module::$clause(bench)),
            ),)*)*
        ];
    };
}

each_clause! { [list] }

/// One test per clause, each with a bench of its own: `conformance!(fresh().await)`. The expression is of
/// type [`Bench`], and the crate has `tokio` with its test macro.
#[macro_export]
macro_rules! conformance {
    (@tests ($fresh:expr) $($module:ident { $($clause:ident)* })*) => {
        $($(
            #[tokio::test]
            async fn $clause() {
                $crate::testing::clauses::$module::$clause($fresh).await;
            }
        )*)*
    };
    ($fresh:expr) => { $crate::each_clause! { [$crate::conformance] @tests ($fresh) } };
}

/// Runs every clause, and answers the names of those that failed, each with what it said: how a mutant is
/// shown to be caught.
pub async fn failures<F: Future<Output = Bench>>(fresh: impl Fn() -> F) -> Vec<(&'static str, String)> {
    let mut failures = Vec::new();
    for (name, clause) in CLAUSES {
        let bench = fresh().await;
        let mut one = tokio::task::JoinSet::new();
        one.spawn(clause(bench));
        if let Some(Err(error)) = one.join_next().await {
            failures.push((*name, error.to_string()));
        }
    }
    failures
}
