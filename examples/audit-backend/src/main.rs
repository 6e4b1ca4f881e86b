//! `skep-audit`: the whole skep command, with one more backend.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use skep_drone::{backend::Backends, cli};

fn main() -> ExitCode {
    cli::main(Backends::builtin().with("audit", |url| Box::pin(skep_audit::open(url, Backends::builtin()))))
}
