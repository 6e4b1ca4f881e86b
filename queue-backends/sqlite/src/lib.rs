//! The embedded queue of skep: one SQLite file, several processes; and [`Db`], the thread that owns a
//! SQLite connection, which the drone's local queue stands on too.
#![forbid(unsafe_code)]

pub mod db;
pub mod error;
pub mod lock;
pub mod place;

pub use db::{Config, Db, Sharing};
pub use error::Error;
/// Statements for those who stand on [`Db`]: the only way to rusqlite from outside this crate.
pub use rusqlite::{Connection, OptionalExtension, Row, params};
