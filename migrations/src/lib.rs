//! The SQL of skep, file by file. No logic here: each backend runs its own list, in order, and counts the
//! steps done.
#![forbid(unsafe_code)]

/// The embedded queue (skep-sqlite).
pub const SQLITE: &[&str] = &[include_str!("../sqlite/0001_queue.sql")];

/// The drone's local queue.
pub const LOCAL: &[&str] = &[include_str!("../local/0001_local.sql")];

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
    include_str!("../postgres/functions/schema_version.sql"),
];
