//! `skep completions`: for a shell to read.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Exit, Failed, World};

/// Prints a completion script for a shell.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which shell.
    shell: Shell,
}

pub(super) fn run(args: &Args, world: &World) -> Result<Exit, Failed> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Args::command(), "skep", &mut script);
    world.out.raw(&script);
    Ok(Exit::Ok)
}
