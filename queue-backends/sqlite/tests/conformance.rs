//! The suite of the contract, on a SQLite file.

mod common;

skep_queue::conformance!(crate::common::fresh());
