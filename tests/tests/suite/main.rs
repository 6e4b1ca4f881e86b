//! Whole drones, tormented. docs/testing.md says what each test shows, and how to run the long forms.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod checker;
mod damage;
mod kills;
mod outage;
mod poison;
mod process;
mod scene;
mod twins;
mod wait;
