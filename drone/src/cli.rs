//! The skep command: one verb per file, each of which parses, calls and prints. Data goes to stdout, talk
//! to stderr.

mod bench;
mod config;
mod drone;
mod exit;
mod init;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::backend::Backends;
pub(crate) use exit::{Exit, Failed};

/// The queue of whoever names none: a file in the working folder.
pub(crate) const DEFAULT_BACKEND: &str = "sqlite:./skep.db";

/// A persistent task queue for fleets of drones.
#[derive(Debug, Parser)]
#[command(name = "skep", version, about, disable_help_subcommand = true)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Common {
    /// The queue's URL.
    #[arg(long, global = true, env = "SKEP_BACKEND", default_value = DEFAULT_BACKEND, value_name = "URL")]
    pub(crate) backend: String,
    /// JSON lines instead of tables.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Only ids.
    #[arg(short, long, global = true, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Bench(bench::Args),
    /// Looks at a drone's configuration.
    #[command(subcommand)]
    Config(config::Verb),
    /// The daemon that runs tasks.
    #[command(subcommand)]
    Drone(drone::Verb),
    Init(init::Args),
}

/// What a verb works with.
pub(crate) struct World {
    pub(crate) common: Common,
    pub(crate) backends: Backends,
}

/// Runs the command, with the backends that the program knows.
#[must_use]
pub fn main(backends: Backends) -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failed::new(Exit::Failed, format!("no runtime: {error}")).report(),
    };
    let world = World { common: args.common, backends };
    match runtime.block_on(run(args.verb, &world)) {
        Ok(exit) => exit.into(),
        Err(failed) => failed.report(),
    }
}

async fn run(verb: Verb, world: &World) -> Result<Exit, Failed> {
    match verb {
        Verb::Bench(args) => bench::run(args, world).await,
        Verb::Config(verb) => config::run(verb, world),
        Verb::Drone(verb) => drone::run(verb, world).await,
        Verb::Init(args) => init::run(&args),
    }
}
