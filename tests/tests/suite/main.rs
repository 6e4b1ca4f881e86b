//! Whole drones, tormented. docs/testing.md says what each test shows, and how to run the long forms.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod capacity;
mod checker;
mod damage;
mod disk;
mod drain;
mod kills;
mod mains;
mod manager_calls;
mod manager_fair;
mod manager_fleet;
mod manager_flood;
mod manager_kills;
mod managers;
mod outage;
mod pg_book;
mod pg_capacity;
mod pg_claims;
mod pg_crash;
mod pg_kills;
mod pg_outage;
mod pg_still;
mod places;
mod poison;
mod power;
mod process;
mod restored;
mod scene;
mod server;
mod soak;
mod storm;
mod twins;
mod wait;
