//! Whole drones, tormented. docs/testing.md says what each test shows, and how to run the long forms.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod checker;
mod kills;
mod poison;
mod process;
mod scene;
mod wait;
