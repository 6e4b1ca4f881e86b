//! Workers with real children. Nothing here sleeps to be right: each wait is for a condition, with a bound.

mod containment;
mod ends;
mod examples;
mod exec;
mod harness;
mod hostile;
mod isolation;
mod process;
mod stops;
