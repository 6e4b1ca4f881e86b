//! The manager: any queue behind a socket, and a queue in front of one.
//!
//! | read | for |
//! | --- | --- |
//! | [`wire`] | what travels: frames, verbs, versions (docs/wire-protocol.md is the public text) |
//! | [`key`] | one secret per principal: key files, and the manager's ring |
//! | [`link`] | an authenticated connection that carries whole messages |
//! | [`server`] | a [`Backend`](skep_queue::Backend) that others reach through links |
//! | [`client::caller`] | [`Client`], for programs that give work away: queue, call, collect
//! | [`client`] | [`Manager`], which is a [`Queue`](skep_queue::Queue) and an [`Admin`](skep_queue::Admin) over one link at a time |
//!
//! Nothing here stores anything: what is durable is the backend's affair, and a reply is sent when the backend
//! has answered.
#![forbid(unsafe_code)]

pub mod client;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod key;
pub mod link;
pub mod server;
pub mod wire;

pub use client::{Client, Manager};
pub use key::{Grant, Key, Ring, Role};
pub use server::Server;

/// What this is, for the people at the other end.
pub(crate) fn software() -> String {
    format!("skep {}", env!("CARGO_PKG_VERSION"))
}
