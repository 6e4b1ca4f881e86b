//! The fleet's queue: PostgreSQL, behind the SQL functions of `migrations/postgres`.
//!
//! What a queue does is written there, once, for drones and for whoever submits by SQL. This crate calls the
//! functions: it turns batches into arrays, and rows into answers.
#![forbid(unsafe_code)]

mod address;
mod admin;
mod adopt;
mod beat;
mod bell;
mod complete_in;
mod doctor;
mod endings;
mod error;
mod line;
mod meter;
pub mod operate;
mod options;
mod pump;
mod queue;
pub mod schema;
mod settle;
mod store;
mod submit;
mod unflushed;
mod view;
mod walk;
mod wire;

pub use complete_in::{CompleteIn, complete_in};
pub use error::Error;
pub use meter::PgMeter;
pub use queue::PgQueue;
pub use store::{Config, Store};
