//! The embedded queue of skep: one SQLite file, several processes; and [`Db`], the thread that owns a
//! SQLite connection, which the drone's local queue stands on too.
#![forbid(unsafe_code)]

pub mod db;
pub mod doctor;
pub mod error;
pub mod lock;
pub mod place;
pub mod queue;

mod act;
mod beat;
mod bell;
mod ending;
mod key;
mod lane;
#[doc(hidden)]
pub mod mutant;
mod open;
mod overview;
mod part;
mod promoted;
mod pump;
mod row;
mod settle;
mod submit;
mod sweep;
mod turn;
mod view;

pub use db::{Config, Db, Sharing};
pub use error::Error;
pub use queue::{Options, SqliteQueue};
/// Statements for those who stand on [`Db`]: the only way to rusqlite from outside this crate.
pub use rusqlite::{Connection, OptionalExtension, Row, params};
