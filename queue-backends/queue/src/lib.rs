//! The words of skep and the seam between a drone and a global queue.
//!
//! Nothing here does I/O. A backend is a crate that implements [`Queue`] (and [`Admin`], to be looked
//! at), and passes the suite in `testing` (feature `testing`).
//!
//! | read | for |
//! | --- | --- |
//! | [`id`], [`mask`], [`block`] | what a task is called, and how up to 128 of them travel as one |
//! | [`submit`], [`claim`], [`outcome`], [`beat`] | the four conversations of a queue, as plain data |
//! | [`progress`] | how running tasks get on, as a hint |
//! | [`queue`] | the contract of a backend: five methods, and a hint |
//! | [`admin`] | what an operator may see and do |
//! | [`observed`] | what any queue is asked, counted |
//! | [`meter`] | what the server behind a queue spends, for benches |
//! | [`clock`] | time and randomness, injected everywhere |
#![forbid(unsafe_code)]

pub mod admin;
pub mod beat;
pub mod block;
pub mod claim;
pub mod clock;
pub mod health;
pub mod id;
pub mod mask;
pub mod meter;
pub mod name;
pub mod observed;
pub mod outcome;
pub mod payloads;
pub mod progress;
pub mod queue;
pub mod receipt;
pub mod submit;
#[cfg(feature = "testing")]
pub mod testing;
pub mod watch;

pub use admin::Admin;
pub use beat::{Beat, DroneFacts, Orders};
pub use block::{Block, Content, Due, MAX_BLOCK, Options, Priority};
pub use claim::{Claimed, Demand, Pump};
pub use clock::{Clock, Random, Timestamp};
pub use id::{BlockId, ClaimId, Incarnation, TaskId};
pub use mask::Mask;
pub use meter::Meter;
pub use name::{NameError, QueueName, TaskType};
pub use observed::Observed;
pub use outcome::{Cause, Ending, Failure, Outcome, Settled, Settlement};
pub use payloads::Payloads;
pub use progress::Progress;
pub use queue::{Error, Queue, Result};
pub use receipt::{Holder, Receipt};
pub use submit::{Reason, Rejection, Submission, Submitted};
pub use watch::{Pulse, Watch};

/// A whole backend: what a URL scheme is registered with. Any type that is both a [`Queue`] and an
/// [`Admin`] is one.
pub trait Backend: Queue + Admin {}

impl<T: Queue + Admin> Backend for T {}
