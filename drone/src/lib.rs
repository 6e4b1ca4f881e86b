//! The drone: pump, local queue, dispatch, settle.
#![deny(unsafe_code)]

mod apart;
pub mod backend;
mod beat;
pub mod bench;
pub mod builder;
pub mod cli;
pub mod client;
pub mod config;
pub mod demo;
mod dispatch;
pub mod drone;
pub mod duration;
mod empty;
mod fatal;
mod local;
pub mod log;
mod notes;
pub mod plumbing;
pub mod policy;
mod progress;
mod pump;
mod seal;
mod settle;
mod source;
pub mod spec;
pub mod spool;
mod step;
pub mod worker;

pub use builder::{Builder, Settings};
pub use client::{Client, NewTask};
pub use drone::{Drone, Error, Life, Report, Stopper};
pub use local::{Config as LocalConfig, Durability};
pub use spool::Spool;
pub use worker::{
    Headway,
    handler::{Context, HandlerError, HandlerWorker},
};
