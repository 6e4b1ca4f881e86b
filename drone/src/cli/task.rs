//! `skep task`: looks at tasks, and changes what becomes of them.

mod act;
mod list;
mod show;

use super::{Exit, Failed, World};
use skep_queue::admin::Act;

/// Lists, shows and changes tasks.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Ends tasks as cancelled; one that runs is stopped by its drone.
    Cancel(act::Args),
    /// Ends tasks that wait as discarded.
    Discard(act::Args),
    /// Lists tasks, newest first.
    List(list::Args),
    /// Makes tasks available now: those that wait for their time, were discarded or cancelled.
    Retry(act::Args),
    /// Shows everything about a task.
    Show(show::Args),
}

pub(super) async fn run(args: Args, world: &World) -> Result<Exit, Failed> {
    match args.verb {
        Verb::Cancel(args) => act::run(Act::Cancel, args, world).await,
        Verb::Discard(args) => act::run(Act::Discard, args, world).await,
        Verb::List(args) => list::run(args, world).await,
        Verb::Retry(args) => act::run(Act::Retry, args, world).await,
        Verb::Show(args) => show::run(&args, world).await,
    }
}
