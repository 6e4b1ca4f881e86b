//! `skep drone`

mod check;
mod list;
mod rescue;
mod run;
mod source;

use super::{Exit, Failed, World};
pub(super) use source::FileArgs;

/// What to do with drones.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Runs tasks until it is told to stop: once to drain, twice to stop at once.
    Run(run::Args),
    /// Reads the configuration, finds the programs, opens the backends, and says what would run.
    Check(check::Args),
    /// The drones that the queue knows.
    List,
    /// Takes a drone for gone, whatever its lease says: its tasks are handed to others at once.
    Rescue(rescue::Args),
}

pub(super) async fn run(verb: Verb, world: &World) -> Result<Exit, Failed> {
    match verb {
        // The futures of a whole drone are large.
        Verb::Run(args) => Box::pin(run::run(args, world)).await,
        Verb::Check(args) => Box::pin(check::check(args, world)).await,
        Verb::List => list::list(world).await,
        Verb::Rescue(args) => rescue::rescue(args, world).await,
    }
}
