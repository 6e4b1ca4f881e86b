//! The skep command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use skep_drone::{backend::Backends, cli};

fn main() -> ExitCode {
    cli::main(Backends::builtin())
}
