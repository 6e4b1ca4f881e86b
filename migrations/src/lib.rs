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

/// `PRAGMA application_id` of a spool: "skps".
pub const SPOOL_APPLICATION: i32 = 0x736b_7073;
