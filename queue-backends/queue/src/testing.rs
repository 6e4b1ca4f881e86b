//! The suite: what a backend's author runs, and what the rest of skep is tested against.
//!
//! | read | for |
//! | --- | --- |
//! | [`model`] | the reference: a queue in memory, a task at a time, as plain as can be |
//! | [`clauses`] | the contract, one named test a sentence; [`conformance!`](crate::conformance) runs them |
//! | [`bench`](mod@bench) | what a clause gets, and the words it is written in |
//! | [`side_by_side`](mod@side_by_side) | random operations on the model and a backend, with lost replies |
//! | [`flaky`] | a wrapper that fails, loses replies and repeats calls, by a seed |
//! | [`clock`] | time and randomness that a test owns |

pub mod bench;
pub mod clauses;
pub mod clock;
pub mod flaky;
pub mod model;
pub mod side_by_side;

pub use bench::{Bench, Drone, Handed, Verdict};
pub use clauses::{CLAUSES, ClauseFn, failures};
pub use clock::{TestClock, TestRandom};
pub use flaky::{Faults, Flaky, Injected};
pub use model::Model;
pub use side_by_side::side_by_side;
