//! The SQL of skep, file by file. No logic here: each backend runs its own list, in order, and counts the
//! steps done.
#![forbid(unsafe_code)]

/// The embedded queue (skep-sqlite).
pub const SQLITE: &[&str] = &[include_str!("../sqlite/0001_queue.sql")];

/// The drone's local queue.
pub const LOCAL: &[&str] = &[include_str!("../local/0001_local.sql")];

/// A submitter's spool.
pub const SPOOL: &[&str] = &[include_str!("../spool/0001_spool.sql")];

/// `PRAGMA application_id` of an embedded queue: "skpq".
pub const SQLITE_APPLICATION: i32 = 0x736b_7071;

/// `PRAGMA application_id` of a local queue: "skpl".
pub const LOCAL_APPLICATION: i32 = 0x736b_706c;

/// The fleet's queue (skep-postgres): its tables, step by step. A step is never changed once it was released.
pub const POSTGRES: &[&str] = &[include_str!("../postgres/0001_tables.sql")];

/// What the tables, functions and views of this skep are called together. A release that changes any of them
/// raises it.
pub const POSTGRES_VERSION: i32 = 1;

/// The table in which the runner remembers what stands.
pub const POSTGRES_PARTS: &str = include_str!("../postgres/parts.sql");

/// What readers see.
pub const POSTGRES_VIEWS: &str = include_str!("../postgres/views.sql");

/// Who may do what: runs after everything else.
pub const POSTGRES_ROLES: &str = include_str!("../postgres/roles.sql");

/// Its functions, each in a file of its own that replaces it whole, in an order in which none is missed.
pub const POSTGRES_FUNCTIONS: &[&str] = &[
    include_str!("../postgres/functions/now.sql"),
    include_str!("../postgres/functions/fit.sql"),
    include_str!("../postgres/functions/lowest.sql"),
    include_str!("../postgres/functions/promote.sql"),
    include_str!("../postgres/functions/split_part.sql"),
    include_str!("../postgres/functions/event.sql"),
    include_str!("../postgres/functions/le4.sql"),
    include_str!("../postgres/functions/packed_one.sql"),
    include_str!("../postgres/functions/unpacked.sql"),
    include_str!("../postgres/functions/task_id.sql"),
    include_str!("../postgres/functions/derived.sql"),
    include_str!("../postgres/functions/postbacks.sql"),
    include_str!("../postgres/functions/forget.sql"),
    include_str!("../postgres/functions/leave_part.sql"),
    include_str!("../postgres/functions/end_part.sql"),
    include_str!("../postgres/functions/worker_of.sql"),
    include_str!("../postgres/functions/conclude.sql"),
    include_str!("../postgres/functions/know.sql"),
    include_str!("../postgres/functions/admit.sql"),
    include_str!("../postgres/functions/end_recovery.sql"),
    include_str!("../postgres/functions/claim_again.sql"),
    include_str!("../postgres/functions/adopt.sql"),
    include_str!("../postgres/functions/pick.sql"),
    include_str!("../postgres/functions/walk.sql"),
    include_str!("../postgres/functions/walk_late.sql"),
    include_str!("../postgres/functions/pick_these.sql"),
    include_str!("../postgres/functions/counts_as.sql"),
    include_str!("../postgres/functions/walk_promoted.sql"),
    include_str!("../postgres/functions/pump.sql"),
    include_str!("../postgres/functions/settle_done.sql"),
    include_str!("../postgres/functions/legal.sql"),
    include_str!("../postgres/functions/settle_each.sql"),
    include_str!("../postgres/functions/settle.sql"),
    include_str!("../postgres/functions/flush.sql"),
    include_str!("../postgres/functions/micros.sql"),
    include_str!("../postgres/functions/has.sql"),
    include_str!("../postgres/functions/as_json.sql"),
    include_str!("../postgres/functions/state_name.sql"),
    include_str!("../postgres/functions/places.sql"),
    include_str!("../postgres/functions/see_queues.sql"),
    include_str!("../postgres/functions/see_drones.sql"),
    include_str!("../postgres/functions/see_tasks.sql"),
    include_str!("../postgres/functions/see_task.sql"),
    include_str!("../postgres/functions/task.sql"),
    include_str!("../postgres/functions/result.sql"),
    include_str!("../postgres/functions/act.sql"),
    include_str!("../postgres/functions/act_on.sql"),
    include_str!("../postgres/functions/stop.sql"),
    include_str!("../postgres/functions/act_on_ended.sql"),
    include_str!("../postgres/functions/acted.sql"),
    include_str!("../postgres/functions/cancel.sql"),
    include_str!("../postgres/functions/retry.sql"),
    include_str!("../postgres/functions/change.sql"),
    include_str!("../postgres/functions/halt.sql"),
    include_str!("../postgres/functions/pause.sql"),
    include_str!("../postgres/functions/resume.sql"),
    include_str!("../postgres/functions/retain.sql"),
    include_str!("../postgres/functions/drain.sql"),
    include_str!("../postgres/functions/ring.sql"),
    include_str!("../postgres/functions/awaits.sql"),
    include_str!("../postgres/functions/beat.sql"),
    include_str!("../postgres/functions/give_back.sql"),
    include_str!("../postgres/functions/rescue.sql"),
    include_str!("../postgres/functions/take_for_gone.sql"),
    include_str!("../postgres/functions/part_with.sql"),
    include_str!("../postgres/functions/end_lost.sql"),
    include_str!("../postgres/functions/maintain.sql"),
    include_str!("../postgres/functions/make_days.sql"),
    include_str!("../postgres/functions/drop_days.sql"),
    include_str!("../postgres/functions/is_name.sql"),
    include_str!("../postgres/functions/no_name.sql"),
    include_str!("../postgres/functions/check_name.sql"),
    include_str!("../postgres/functions/lane_of.sql"),
    include_str!("../postgres/functions/hold.sql"),
    include_str!("../postgres/functions/spread.sql"),
    include_str!("../postgres/functions/count_tasks.sql"),
    include_str!("../postgres/functions/rebuild.sql"),
    include_str!("../postgres/functions/stand.sql"),
    include_str!("../postgres/functions/take_several.sql"),
    include_str!("../postgres/functions/take_in_debt.sql"),
    include_str!("../postgres/functions/take_cells.sql"),
    include_str!("../postgres/functions/give_cells.sql"),
    include_str!("../postgres/functions/full.sql"),
    include_str!("../postgres/functions/take_bounds.sql"),
    include_str!("../postgres/functions/take_room.sql"),
    include_str!("../postgres/functions/give_room.sql"),
    include_str!("../postgres/functions/still.sql"),
    include_str!("../postgres/functions/set_capacity.sql"),
    include_str!("../postgres/functions/span.sql"),
    include_str!("../postgres/functions/due_at.sql"),
    include_str!("../postgres/functions/number_at.sql"),
    include_str!("../postgres/functions/pack.sql"),
    include_str!("../postgres/functions/beginning.sql"),
    include_str!("../postgres/functions/invalid.sql"),
    include_str!("../postgres/functions/flaw.sql"),
    include_str!("../postgres/functions/depth.sql"),
    include_str!("../postgres/functions/intake.sql"),
    include_str!("../postgres/functions/known.sql"),
    include_str!("../postgres/functions/store.sql"),
    include_str!("../postgres/functions/fits.sql"),
    include_str!("../postgres/functions/in_the_way.sql"),
    include_str!("../postgres/functions/place_in_new_lane.sql"),
    include_str!("../postgres/functions/place_instead.sql"),
    include_str!("../postgres/functions/place_new.sql"),
    include_str!("../postgres/functions/place.sql"),
    include_str!("../postgres/functions/store_all.sql"),
    include_str!("../postgres/functions/place_each.sql"),
    include_str!("../postgres/functions/let_in.sql"),
    include_str!("../postgres/functions/complete_in.sql"),
    include_str!("../postgres/functions/submit_blocks.sql"),
    include_str!("../postgres/functions/bear.sql"),
    include_str!("../postgres/functions/new_id.sql"),
    include_str!("../postgres/functions/options_of.sql"),
    include_str!("../postgres/functions/odd_option.sql"),
    include_str!("../postgres/functions/bytes_of.sql"),
    include_str!("../postgres/functions/micros_of.sql"),
    include_str!("../postgres/functions/blocks_of.sql"),
    include_str!("../postgres/functions/submit_one.sql"),
    include_str!("../postgres/functions/refuse.sql"),
    include_str!("../postgres/functions/submit.sql"),
    include_str!("../postgres/functions/try_submit.sql"),
    include_str!("../postgres/functions/submit_many.sql"),
    include_str!("../postgres/functions/submit_row.sql"),
    include_str!("../postgres/functions/schema_version.sql"),
];

/// `PRAGMA application_id` of a spool: "skps".
pub const SPOOL_APPLICATION: i32 = 0x736b_7073;
