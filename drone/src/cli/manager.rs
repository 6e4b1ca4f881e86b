//! `skep manager`

mod check;
mod run;
mod source;

use super::{Exit, Failed, World};

/// What to do with a manager.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Serves a queue over sockets until it is told to stop: once to finish what is under way, twice at once.
    Run(run::Args),
    /// Reads the configuration and the keys, opens the queue behind it, and says what would be served.
    Check(check::Args),
}

pub(super) async fn run(verb: Verb, world: &World) -> Result<Exit, Failed> {
    match verb {
        Verb::Run(args) => Box::pin(run::run(args, world)).await,
        Verb::Check(args) => Box::pin(check::check(args, world)).await,
    }
}
