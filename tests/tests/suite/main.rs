//! Whole drones, tormented. docs/testing.md says what each test shows, and how to run the long forms.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod capacity;
mod checker;
mod damage;
mod disk;
mod drain;
mod kills;
mod mains;
mod outage;
mod places;
mod poison;
mod power;
mod process;
mod scene;
mod soak;
mod storm;
mod twins;
mod wait;
