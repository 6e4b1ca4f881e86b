//! The contract, clause by clause. A clause takes a [`Bench`] with an empty backend and panics when the
//! backend breaks it. A backend's test is one line, and a failure names the clause:
//!
//! ```ignore
//! async fn fresh() -> Bench { .. }
//! skep_queue::conformance!(fresh().await);
//! ```

use std::{future::Future, pin::Pin, time::Duration};

use super::Bench;

pub mod beat;
pub mod blocks;
pub mod capacity;
pub mod followup;
pub mod lease;
pub mod operate;
pub mod payload;
pub mod promote;
pub mod pump;
pub mod rescue;
pub mod settle;
pub mod several;
pub mod submit;
pub mod unique;

/// How long a clause may take on a mutant, in real time.
const MOST: Duration = Duration::from_secs(60);

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
                a_lazy_one_is_as_another_but_for_the_disk
                repeated_it_stores_nothing
                repeated_after_the_end_it_still_exists
                what_was_accepted_exists_whatever_is_taken_now
                another_payload_under_an_id_conflicts
                another_type_or_queue_under_an_id_conflicts
                an_empty_call_is_no_error
                a_user_brings_any_id_for_one_task
                an_id_of_ones_own_goes_before_a_members
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
            capacity {
                a_queue_never_holds_more
                a_type_never_holds_more
                the_queue_is_asked_before_the_type
                concurrent_submits_never_exceed_it
                every_task_that_is_not_terminal_counts
                the_end_of_a_task_makes_room
                a_retry_needs_no_room
                a_lowered_capacity_drops_nothing
                a_partial_call_takes_the_longest_beginning
                what_refused_once_refuses_what_follows
                a_partly_accepted_block_stays_as_it_is
                existing_is_answered_when_full
            }
            unique {
                one_task_holds_a_key
                a_key_is_free_when_its_task_is_terminal
                a_retry_keeps_the_key
                skip_names_the_holder
                replace_cancels_who_waits
                replace_of_a_claimed_task_conflicts
                keys_of_two_queues_are_two
                a_key_needs_a_block_of_one
                a_call_with_one_key_twice_is_refused
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
            promote {
                who_waits_long_is_promoted
                without_it_the_order_is_strict
                order_among_the_promoted_is_as_ever
                a_promoted_task_is_handed_out_as_it_counted
                waiting_counts_from_the_due_time
                promoted_blocks_fill_the_room
                a_promoted_block_in_parts_is_taken_whole
                the_time_of_promotion_is_shown
                queues_tell_who_waits_longest
                queues_tell_how_many_wait_how_long
            }
            blocks {
                members_settle_each_on_their_own
                the_first_and_the_last_ordinal_work
                a_block_is_split_where_the_room_ends
                members_of_one_block_go_to_several_drones
                a_retried_member_comes_back_alone
                one_settlement_ends_members_differently
                members_that_do_not_exist_are_gone
            }
            settle {
                complete_discard_and_cancel_are_terminal
                retry_comes_back_when_it_said
                snooze_counts_nothing
                release_counts_nothing_and_keeps_its_place
                interrupt_counts_to_its_limit
                repeated_it_answers_already
                a_lazy_one_is_as_another_until_it_is_flushed
                another_outcome_is_stale
                another_claim_is_stale
                a_claim_that_was_given_up_is_stale
                what_is_not_kept_is_gone
                retention_zero_keeps_nothing
                retention_keeps_results_until_it_ends
                retention_that_changes_holds_for_what_has_ended
                failures_are_kept_in_order
                suspects_are_remembered
                answers_come_in_order
            }
            followup {
                follow_ups_enter_with_the_ending
                the_parent_makes_room_first
                no_room_refuses_the_ending
                a_conflict_refuses_the_ending
                follow_ups_that_exist_are_fine
                intake_binds_submitters_only
                a_stale_ending_submits_nothing
                a_postback_follows_every_terminal_ending
                a_postback_follows_an_operator
                a_postback_follows_the_last_loss
                a_postback_follows_every_other_end
                members_end_together_with_one_follow_up
                a_postback_without_room_refuses
                a_retry_posts_nothing
            }
            beat {
                a_listed_claim_is_adopted
                what_was_not_listed_is_a_phantom
                what_is_not_current_is_lost
                a_cancel_is_repeated_until_the_end
                a_cancelled_task_is_not_tried_again
                paused_types_are_told
                a_drain_is_told
                who_leaves_is_forgotten
                who_leaves_gives_back
                progress_changes_nothing
            }
            lease {
                silence_that_was_watched_is_rescued
                a_beat_keeps_the_lease
                a_gap_in_the_watching_is_an_outage
                another_process_watches_for_itself
                wall_clocks_decide_nothing
                late_but_unclaimed_wins
                late_and_reclaimed_is_stale
                the_loss_limit_discards
                on_lost_fail_discards_at_once
                a_cancelled_task_is_not_rescued
                a_drone_that_never_beat_is_rescued_too
                who_comes_back_begins_anew
                what_is_rescued_keeps_its_place
                a_successor_comes_before_the_rescue
            }
            rescue {
                a_word_rescues_at_once
                a_word_leaves_tasks_their_place
                a_rescue_of_nobody_is_false
                a_word_discards_as_silence_does
                a_word_cancels_what_was_to_stop
                a_rescue_without_room_is_finished_later
                who_comes_back_from_a_rescue_begins_anew
            }
            operate {
                a_waiting_task_is_cancelled_at_once
                a_late_settle_of_a_cancelled_task_is_stale
                a_scheduled_task_is_made_available
                a_discarded_task_begins_anew
                bringing_back_needs_room
                bringing_back_needs_its_key
                discard_ends_what_waits
                acts_that_make_no_sense_change_nothing
                acts_are_answered_in_order
                a_cancelled_claimed_task_may_still_complete
                queues_count_by_state
                settings_are_shown
                find_filters
                find_answers_the_newest_first
                a_task_names_its_drone
                drones_are_listed
                a_type_is_served_when_a_drone_says_so
            }
            several {
                what_is_accepted_is_durable
                claims_are_durable
                two_processes_never_share_a_task
                capacity_holds_across_processes
                arrival_returns
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
        match tokio::time::timeout(MOST, one.join_next()).await {
            Ok(Some(Err(error))) => failures.push((*name, error.to_string())),
            Ok(_) => {}
            Err(_) => failures.push((*name, "it did not end".into())),
        }
    }
    failures
}
