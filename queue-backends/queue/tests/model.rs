//! The reference model keeps its own contract.
#![cfg(feature = "testing")]

use skep_queue::testing::Bench;

skep_queue::conformance!(Bench::model());
