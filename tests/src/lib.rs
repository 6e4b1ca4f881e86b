//! What the tests of whole drones stand on: the rules of the house, a drone to torment, the journals that
//! it cannot falsify, and the checker of what skep promises.
#![forbid(unsafe_code)]

pub mod backend;
pub mod check;
pub mod house;
pub mod journal;
pub mod plan;
pub mod witness;
pub mod work;
