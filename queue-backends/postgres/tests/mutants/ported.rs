//! The faults of the embedded queue (`queue-backends/sqlite/src/mutant.rs`), as faults of the functions.
//!
//! All of them have one. Of four the code that the embedded queue breaks is Rust here, and what is broken is the
//! nearest thing in SQL:
//!
//! - `AnswerWithoutCommit`: a function cannot undo its caller's transaction, but a block of its own it can;
//! - `NoOutageRule` and `RescueBeforeAdoption`: who is silent is decided by `skep_queue::Watch`; here the beat
//!   itself rescues by the wall clock, in time and too early;
//! - `ResultsShifted`: results are packed in `endings.rs`; here they are shown to the wrong member.

use super::{Mutant, fault};

pub const PORTED: &[Mutant] = &[
    fault("NoClaimGuard", "pump::nothing_that_is_claimed", &[("pick", " and not t.held", "")]),
    fault("SettleById", "settle::another_claim_is_stale", &[("legal", " and t.claim = p_claim", ""), ("conclude", " and t.claim = p_claim", "")]),
    fault("AnswerWithoutCommit", "several::what_is_accepted_is_durable", &[(
            "place_in_new_lane",
            "if coalesce(outcome, '') not in ('accepted', 'partly') then",
            "if true then",
        )]),
    fault("CountOutside", "several::capacity_holds_across_processes", &[(
            "take_cells",
            "  for v_try in 1..40 loop",
            "  v_room := p_capacity - skep.count_tasks(p_scope);
               perform pg_sleep(0.05);
               return v_room >= p_n;
               for v_try in 1..40 loop",
        )]),
    fault("FenceKept", "pump::every_claim_raises_the_fence", &[("pick", "fence = t.fence + 1", "fence = t.fence")]),
    fault("KeyFreedAtClaim", "unique::replace_of_a_claimed_task_conflicts", &[(
            "pick",
            "into o_tids from claimed c;",
            "into o_tids from claimed c;
             delete from unique_keys k using tasks t where t.ctid = any(o_tids) and k.block = t.block;",
        )]),
    fault("KeyFreedAtRetry", "unique::a_retry_keeps_the_key", &[(
            "conclude",
            "v_low := skep.split_part(p_block, v_row.low, v_members);",
            "v_low := skep.split_part(p_block, v_row.low, v_members);
             delete from unique_keys where block = p_block;",
        )]),
    fault("NoOutageRule", "lease::a_gap_in_the_watching_is_an_outage", &[(
            "beat",
            "  if p_leaving then",
            "  perform skep.rescue(d.incarnation, d.number) from drones d where d.beat_at + d.ttl <= skep.now();
               if p_leaving then",
        )]),
    fault("MaskOffByOne", "blocks::the_first_and_the_last_ordinal_work", &[(
            "store",
            "repeat('1', p_n)::bit varying",
            "rpad(repeat('1', p_n - (p_n = 128)::int), p_n, '0')::bit varying",
        )]),
    fault("RoomByBlocks", "pump::room_is_never_exceeded", &[("pick", "if o_taken > p_room then", "if false then")]),
    fault("RetryForgetsAttempt", "settle::failures_are_kept_in_order", &[("conclude", "p_tag in (2, 3) then 1", "p_tag in (3) then 1")]),
    fault("FollowUpsOutside", "followup::no_room_refuses_the_ending", &[(
            "conclude",
            "v_rejection := case when jsonb_array_length(p_submit) > 0 then skep.bear(p_submit) end;",
            "perform skep.bear(p_submit);",
        )]),
    fault("RunAtIgnored", "pump::nothing_before_it_is_due", &[("store", "p_run_at > p_now,", "false,")]),
    fault("PumpAgainClaims", "pump::repeated_it_answers_the_same", &[
            ("pump", "if found then", "if false then"),
            (
                "pump",
                "from queues q where q.name = p_queue;",
                "from queues q where q.name = p_queue on conflict do nothing;",
            ),
        ]),
    fault("StaleAfterReclaim", "lease::late_and_reclaimed_is_stale", &[
            ("settle_done", " and t.claim = i.claim", ""),
            ("settle_done", "t.claim = any(v_claims) and not t.ties returning", "not t.ties returning"),
        ]),
    fault("ReleaseCounts", "settle::release_counts_nothing_and_keeps_its_place", &[("conclude", "p_tag in (2, 3) then 1", "p_tag in (2, 3, 6) then 1")]),
    fault("PriorityReversed", "pump::lowest_priority_number_first", &[("pick", "order by t.priority,", "order by t.priority desc,")]),
    fault("PhantomsHidden", "beat::what_was_not_listed_is_a_phantom", &[("beat", "c.n > 0 and c.claim <> all(p_held)", "false")]),
    fault("RetentionIgnored", "settle::retention_zero_keeps_nothing", &[
            ("leave_part", "v_retention > interval '0'", "true"),
            ("leave_part", "v_now + v_retention", "v_now + interval '1 day'"),
            ("settle_done", "v_retentions[e.of] > interval '0'", "true"),
            ("settle_done", "v_now + v_retentions[e.of]", "v_now + interval '1 day'"),
        ]),
    fault("SweepTooEarly", "settle::retention_keeps_results_until_it_ends", &[
            ("drop_days", "where e.expires_at <= p_now", "where true"),
            (
                "drop_days",
                "and to_date(right(c.relname, 8), 'YYYYMMDD') < (p_now at time zone 'UTC')::date",
                "",
            ),
        ]),
    fault("HalfCall", "submit::a_call_that_fails_leaves_nothing", &[(
            "let_in",
            "in ('rejected', 'conflict') then
      raise exception using errcode = 'SK999';",
            "in ('rejected', 'conflict') then
      select jsonb_agg(v_last) into v_answers from generate_series(1, v_blocks);",
        )]),
    fault("CancelOnce", "beat::a_cancel_is_repeated_until_the_end", &[(
            "beat",
            "    select array_agg(p.task_type) into o_paused",
            "    update tasks set cancel = false where cancel;
                 select array_agg(p.task_type) into o_paused",
        )]),
    fault("LateLoses", "lease::late_but_unclaimed_wins", &[("rescue", "set held = false,", "set held = false, claim = null,")]),
    fault("SettleForgotten", "settle::repeated_it_answers_already", &[
            ("settle_done", "e.fence, e.claim, 1,", "e.fence, null, null,"),
            ("conclude", "settled = p_claim, settled_as = p_tag,", ""),
        ]),
    fault("ClaimKeptAtRetry", "settle::a_claim_that_was_given_up_is_stale", &[("conclude", "held = false, claim = null,", "held = false,")]),
    fault("DepthKeptAtDiscard", "capacity::the_end_of_a_task_makes_room", &[(
            "leave_part",
            "perform skep.give_room(v_row.lane, bit_count(v_members)::int);",
            "perform skep.give_room(v_row.lane, bit_count(v_members)::int) where p_state <> 4;",
        )]),
    fault("PausedIgnored", "pump::nothing_of_a_paused_type", &[("pump", " and not q.paused and not l.paused", "")]),
    fault("ResultsShifted", "settle::retention_keeps_results_until_it_ends", &[(
            "see_task",
            "skep.unpacked(s.results, v_ordinal)",
            "skep.unpacked(s.results, (v_ordinal + 1) % 128)",
        )]),
    fault("AdoptionIgnored", "beat::a_listed_claim_is_adopted", &[("beat", "set drone = p_drone", "set drone = c.drone")]),
    fault("FenceResetAtRevival", "operate::a_discarded_task_begins_anew", &[("act_on_ended", "v_ended.fence, v_ended.settled,", "0, v_ended.settled,")]),
    fault("BodyDroppedEarly", "submit::another_payload_under_an_id_conflicts", &[
            ("forget", "and not exists (select 1 from finished f where f.block = u.block)", ""),
            ("settle_done", "v_retentions[e.of] <= interval '0'", "true"),
        ]),
    fault("BeginningForgotten", "capacity::what_refused_once_refuses_what_follows", &[(
            "place_new",
            "rejection := coalesce(p_shut -> p_queue, p_shut -> (p_queue || ' ' || p_type));",
            "rejection := null;",
        )]),
    fault("LastSubmittedFirst", "pump::then_the_first_submitted", &[("pick", "t.run_at, t.seq limit", "t.run_at, t.seq desc limit")]),
    fault("RevivalIgnoresKey", "operate::bringing_back_needs_its_key", &[(
            "act_on_ended",
            "    insert into unique_keys",
            "    delete from unique_keys where queue = v_queue and key = v_key;
                 insert into unique_keys",
        )]),
    fault("RevivalIgnoresCapacity", "operate::bringing_back_needs_room", &[("act_on_ended", "v_rejection := skep.take_room(v_ended.lane, 1);", "")]),
    fault("InterruptsUnlimited", "settle::interrupt_counts_to_its_limit", &[("conclude", "p_tag = 7 and v_interruptions >= 10", "false")]),
    fault("LossesUnlimited", "lease::the_loss_limit_discards", &[("rescue", "and t.losses < 2", ""), ("part_with", "t.losses >= 2 or ", "")]),
    fault("PostbackOfSettlesOnly", "followup::a_postback_follows_an_operator", &[(
            "leave_part",
            "if v_row.options ? 'postback' then",
            "if v_row.options ? 'postback' and p_settled is not null then",
        )]),
    fault("RetentionAsItWas", "settle::retention_that_changes_holds_for_what_has_ended", &[("retain", "returning id into v_queue;", "returning id into v_queue; return;")]),
    fault("RescueTakesThePlace", "lease::what_is_rescued_keeps_its_place", &[("rescue", "set held = false,", "set held = false, run_at = v_now,")]),
    fault("SuspectKept", "settle::suspects_are_remembered", &[(
            "conclude",
            "when 2 then coalesce((p_failure ->> 'suspect')::smallint, 0) else 0 end",
            "else greatest(t.suspect, 1) end",
        )]),
    fault("RescueBeforeAdoption", "lease::a_successor_comes_before_the_rescue", &[(
            "beat",
            "  update claims c set drone",
            "  perform skep.rescue(d.incarnation, d.number) from drones d where d.beat_at + d.ttl <= skep.now();
               update claims c set drone",
        )]),
    fault("SameIdAnyType", "submit::another_type_or_queue_under_an_id_conflicts", &[(
            "known",
            "where q.name = p_queue and l.task_type = p_type)",
            "where l.id = min(k.lane))",
        )]),
    fault("IntakeBindsFollowUps", "followup::intake_binds_submitters_only", &[("place_new", "if not p_born then", "if true then")]),
    fault("CancelLostAtRescue", "lease::a_cancelled_task_is_not_rescued", &[("rescue", " and not t.cancel", "")]),
    fault("FenceKeptAtSplit", "several::two_processes_never_share_a_task", &[(
            "pick",
            "skep.lowest(v_row.live, p_room - o_taken));",
            "skep.lowest(v_row.live, p_room - o_taken));
             update tasks t set fence = t.fence - 1 where t.block = v_row.block and t.low = v_row.low;",
        )]),
    fault("DrainForgotten", "beat::a_drain_is_told", &[("beat", "facts = excluded.facts", "facts = excluded.facts, drain = false")]),
    fault("SplitTakesAll", "blocks::a_block_is_split_where_the_room_ends", &[(
            "split_part",
            "v_moved := v_row.live & skep.fit(p_members, length(v_row.live));",
            "v_moved := v_row.live;",
        )]),
    fault("ConflictIgnoredInFollowUps", "followup::a_conflict_refuses_the_ending", &[("bear", "where a.outcome in ('rejected', 'conflict')", "where a.rejection ->> 'reason' <> 'invalid'")]),
    fault("BeatsFromOne", "lease::who_comes_back_begins_anew", &[(
            "beat",
            "nextval('beats')",
            "coalesce((select b.number from drones b where b.incarnation = p_drone), 0) + 1",
        )]),
    fault(
        "NeverPromoted",
        "promote::who_waits_long_is_promoted",
        &[("pump", "if v_walk < 4 and v_every is not null then", "if false then")],
    ),
    fault(
        "PromotedFirst",
        "promote::order_among_the_promoted_is_as_ever",
        &[(
            "walk_promoted",
            "order by counts_as, t.run_at",
            "order by counts_as, skep.counts_as(t.priority, t.run_at, p_now, p_every) = t.priority, t.run_at",
        )],
    ),
    fault(
        "RescueReleases",
        "rescue::a_word_rescues_at_once",
        &[(
            "take_for_gone",
            "o_more := o_known and skep.rescue(p_drone, v_number);",
            "perform skep.give_back(p_drone); o_more := false;",
        )],
    ),
    fault(
        "ClaimedAge",
        "promote::queues_tell_how_many_wait_how_long",
        &[("views", "case when not k.held and not (", "case when not (")],
    ),
];
