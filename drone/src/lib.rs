//! The drone: pump, local queue, dispatch, settle.
#![deny(unsafe_code)]

pub mod duration;
pub mod plumbing;
pub mod worker;
