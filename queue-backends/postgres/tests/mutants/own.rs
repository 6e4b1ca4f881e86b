//! Faults that only a server with many clients can have, or that only these functions have.
//!
//! Some guards are there twice, so that nothing shows when one is gone: `not held` in the update of a claim,
//! whose rows are locked and were looked at; `stand()` in `stop` and `act_on_ended`, which `leave_part` and
//! `take_room` call again.

use super::{Mutant, fault};

pub const OWN: &[Mutant] = &[
    fault(
        "TiesIgnored",
        "followup::a_postback_follows_every_terminal_ending",
        &[("settle_done", "not t.ties", "true")],
    ),
    fault(
        "RefusedButDone",
        "followup::no_room_refuses_the_ending",
        &[("settle_each", "raise exception using errcode = 'SK999';", "null;")],
    ),
    fault(
        "ReplacedByNobody",
        "unique::replace_cancels_who_waits",
        &[("place_instead", "raise exception using errcode = 'SK999';", "null;")],
    ),
    fault(
        "OneCellOnly",
        "capacity::a_queue_never_holds_more",
        &[("take_cells", "if found or skep.take_several(p_scope, p_n) then", "if found then")],
    ),
    fault(
        "OtherPostbacks",
        "followup::a_postback_follows_every_terminal_ending",
        &[("postbacks", "4294967295", "4294967294")],
    ),
    fault(
        "MembersFirst",
        "submit::an_id_of_ones_own_goes_before_a_members",
        &[("places", "if exists (", "if false and exists (")],
    ),
    fault(
        "GivenBackIsLost",
        "beat::who_leaves_gives_back",
        &[("give_back", "set held = false,", "set held = false, losses = losses + 1,")],
    ),
    fault(
        "NeverDue",
        "settle::retry_comes_back_when_it_said",
        &[("promote", "if v_due is not null then", "if false then")],
    ),
    fault(
        "RoomOfTheQueueOnly",
        "capacity::a_type_never_holds_more",
        &[(
            "take_bounds",
            "if p_lane_capacity is not null and not skep.take_cells(-p_lane, p_n, p_lane_capacity) then",
            "if false then",
        )],
    ),
    fault(
        "RoomKeptAtRefusal",
        "capacity::the_queue_is_asked_before_the_type",
        &[(
            "take_bounds",
            "if p_queue_capacity is not null then perform skep.give_cells(p_queue, p_n); end if;",
            "",
        )],
    ),
    fault(
        "ClaimNotLocked",
        "one_claim_twice_at_once_claims_once",
        &[("pump", "perform pg_advisory_xact_lock(uuid_hash_extended(p_claim, 0));", "")],
    ),
    fault(
        "ClaimsWait",
        "whoever_claims_waits_for_nobody",
        &[("pick", "for update skip locked", "for update")],
    ),
    fault(
        "PromotingWaits",
        "whoever_claims_waits_for_nobody",
        &[("pick_these", "for update skip locked", "for update")],
    ),
    fault(
        "PromotedBlocksAreSteppedOver",
        "promote::a_promoted_block_in_parts_is_taken_whole",
        &[("walk_promoted", "or get_bit(v_seen[p.priority], t.low) = 0", "")],
    ),
    fault(
        "HandedOutAsStored",
        "promote::a_promoted_task_is_handed_out_as_it_counted",
        &[("pump", "skep.counts_as(t.priority, t.run_at, v_now, v_promotes)", "t.priority")],
    ),
    fault(
        "CountsOnWhileClaimed",
        "promote::a_promoted_task_is_handed_out_as_it_counted",
        &[("pump", "t.run_at, v_at, q.promote_after", "t.run_at, v_now, q.promote_after")],
    ),
    fault(
        "PromotedTakeTooMuch",
        "promote::promoted_blocks_fill_the_room",
        &[("pick_these", "o_taken + v_sizes[v_fits + 1] <= p_room", "o_taken < p_room")],
    ),
    fault(
        "RescuedInMemory",
        "what_is_accepted_waits_for_the_disk",
        &[("rescue", "begin\n", "begin\n  perform set_config('synchronous_commit', 'off', true);\n")],
    ),
    fault(
        "NothingBeforeThePlace",
        "what_lies_before_a_place_is_found",
        &[("pump", "exit when v_room <= 0;", "exit when v_room <= 0 or v_walk > 2 and v_place is not null;")],
    ),
    fault(
        "PlaceIsSteppedOver",
        "the_rest_of_a_block_is_at_its_place",
        &[("pick", ">= (p_priority, p_run, p_seq)", "> (p_priority, p_run, p_seq)")],
    ),
    fault("NumberUnchecked", "a_late_beat_is_in_time", &[("rescue", "and d.number = p_number", "")]),
    fault(
        "RescuersMeet",
        "two_rescuers_lose_a_task_once",
        &[
            ("rescue", "and d.number = p_number for update skip locked", "and d.number = p_number"),
            ("rescue", "limit 100 for update skip locked", "limit 100"),
        ],
    ),
    fault(
        "UnwatchedClaims",
        "a_claim_of_a_drone_that_nobody_knows_is_watched",
        &[("maintain", "from claims c where c.n > 0) o", "from claims c where c.n < 0) o")],
    ),
    fault(
        "ClaimsForgotten",
        "a_claim_that_is_held_is_remembered",
        &[("maintain", "where o.n = 0 and", "where")],
    ),
    fault(
        "SubmitsWait",
        "whoever_submits_waits_for_nobody",
        &[("take_cells", "for update skip locked", "for update")],
    ),
    fault(
        "DebtIgnored",
        "a_debt_is_taken_from_by_one",
        &[("take_cells", "if v_least < 0 then", "if false then")],
    ),
    fault(
        "BoundNotHeld",
        "a_bound_counts_what_is_under_way",
        &[("hold", "perform pg_advisory_xact_lock_shared(1936418160, p_queue);", "")],
    ),
    fault(
        "BoundNotStill",
        "a_bound_counts_what_is_under_way",
        &[("set_capacity", "perform skep.still(v_queue);", "")],
    ),
    fault(
        "EndsWait",
        "what_ends_waits_for_nobody",
        &[("give_cells", "for update skip locked", "for update")],
    ),
    fault(
        "EntersUncounted",
        "what_enters_after_a_crash_is_counted",
        &[("take_bounds", "perform skep.stand(array[p_lane]);", "")],
    ),
    fault(
        "EndsUncounted",
        "what_ends_after_a_crash_is_counted",
        &[(
            "settle_done",
            "perform skep.stand(array(select l.id from lanes l where l.queue = any(v_queues)));",
            "null;",
        )],
    ),
    fault(
        "EndedIsNew",
        "blocks_of_one_that_have_ended_exist",
        &[("store", "if not exists (select from finished f where f.block = p_id)", "if true")],
    ),
    fault(
        "EndedAreNew",
        "blocks_of_one_that_have_ended_exist",
        &[(
            "store_all",
            "return not exists (select from finished f where f.block = any (p_ids))",
            "return true",
        )],
    ),
    fault(
        "BodyLeftBehind",
        "a_body_goes_with_the_last_of_two_at_once",
        &[("forget", "order by b.block for update", "order by b.block")],
    ),
    fault(
        "ClaimedInMemory",
        "what_is_accepted_waits_for_the_disk",
        &[("pump", "if v_known and not p_durable then", "if true then")],
    ),
    fault(
        "SettledInMemory",
        "what_is_accepted_waits_for_the_disk",
        &[("settle", "if p_lazy and cardinality(p_blocks) = 0 then", "if true then")],
    ),
    fault(
        "RetriedInMemory",
        "what_is_accepted_waits_for_the_disk",
        &[("settle", "if p_lazy and cardinality(p_blocks) = 0 then", "if p_lazy then")],
    ),
    fault(
        "AlreadyInMemory",
        "what_is_accepted_waits_for_the_disk",
        &[("settle", "perform pg_logical_emit_message(true, 'skep', '');", "null;")],
    ),
    fault(
        "FlushedBlindly",
        "what_a_crash_undid_is_settled_again",
        &[("flush", "return exists (select from heard h where h.incarnation = p_drone);", "return true;")],
    ),
    fault(
        "BeatenInMemory",
        "what_is_accepted_waits_for_the_disk",
        &[("beat", "if not p_flush and not p_leaving and exists", "if exists")],
    ),
    fault(
        "ToldInMemory",
        "what_is_accepted_waits_for_the_disk",
        &[("adopt", "begin\n", "begin\n  perform set_config('synchronous_commit', 'off', true);\n")],
    ),
    fault(
        "NobodyIsAsked",
        "what_a_crash_undid_is_its_drones_again",
        &[("pump", "perform skep.admit(p_drone);", "null;")],
    ),
    fault(
        "NobodyIsWaitedFor",
        "what_a_crash_undid_is_its_drones_again",
        &[("admit", "if v_others > 0 then", "if false then")],
    ),
    fault(
        "OverAtOnce",
        "what_a_crash_undid_is_its_drones_again",
        &[("end_recovery", "where not r.over and not exists", "where true or not exists")],
    ),
    fault(
        "ToldInVain",
        "what_a_crash_undid_is_its_drones_again",
        &[("adopt", "if not exists (select from claims c where c.claim = v_claim) then", "if false then")],
    ),
    fault(
        "TakenBackWhole",
        "what_a_crash_undid_is_its_drones_again",
        &[("claim_again", "skep.split_part(v_row.block, v_row.low, p_members[v_i]::varbit)", "v_row.low")],
    ),
    fault(
        "TakenBackTooLate",
        "what_another_had_since_is_not_taken_back",
        &[("claim_again", " and t.fence < p_fences[v_i]", "")],
    ),
    fault(
        "TakenFromAnother",
        "what_another_had_since_is_not_taken_back",
        &[("claim_again", "and not t.held and t.fence < p_fences[v_i]", "")],
    ),
    fault(
        "SubmittedInMemory",
        "what_is_accepted_waits_for_the_disk",
        &[("submit_blocks", "begin\n", "begin\n  perform set_config('synchronous_commit', 'off', true);\n")],
    ),
    fault(
        "BandsEndLate",
        "promote::queues_tell_how_many_wait_how_long",
        &[(
            "views",
            "t.since > (select skep.now() - interval '10 s",
            "t.since >= (select skep.now() - interval '10 s",
        )],
    ),
    fault(
        "WaitsOfOneType",
        "promote::queues_tell_how_many_wait_how_long",
        &[("see_queues", "sum(s.under_10s)", "max(s.under_10s)")],
    ),
];
