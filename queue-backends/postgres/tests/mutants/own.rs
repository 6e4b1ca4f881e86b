//! Faults that only a server with many clients can have, or that only these functions have.

use super::{Mutant, fault};

pub const OWN: &[Mutant] = &[
    fault(
        "EndedIsForgotten",
        "submit::repeated_after_the_end_it_still_exists",
        &[("store", "if not exists (select from finished f where f.block = p_id)", "if true")],
    ),
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
        "PlaceIsSteppedOver",
        "blocks::a_block_is_split_where_the_room_ends",
        &[("pick", ">= (p_priority, p_run, p_seq)", "> (p_priority, p_run, p_seq)")],
    ),
    fault(
        "NothingBeforeThePlace",
        "settle::release_counts_nothing_and_keeps_its_place",
        &[("pump", "exit when v_room <= 0;", "exit when v_room <= 0 or v_walk > 2 and v_place is not null;")],
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
        "NeverPromoted",
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
];
