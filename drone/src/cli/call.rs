//! `skep call`: submits a task, waits, and prints its result.

use std::time::Duration;

use super::{
    Exit, Failed, World, args, result,
    submit::options::{self, TaskOptions},
};

/// Submits a task, waits until it has ended, and prints its result.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What kind of work it is.
    #[arg(value_name = "TYPE")]
    task_type: String,
    /// JSON, or @FILE.
    #[arg(value_name = "JSON|@FILE")]
    payload: Option<String>,
    #[command(flatten)]
    options: TaskOptions,
    /// How long it may take in all.
    #[arg(long, default_value = "30s", value_parser = args::span, value_name = "TIME")]
    timeout: Duration,
}

pub(super) async fn run(args: Args, world: &World) -> Result<Exit, Failed> {
    let like = args.options.task(&args.task_type, &world.local_now())?;
    let task = options::with_payload(&like, args.payload.as_deref())?;
    let client = args.options.client(world, world.open().await?);
    match client.call(task, args.timeout).await {
        Ok(value) => result::print(value.as_deref(), world),
        Err(error) => return Err(result::explained(error, &client).await),
    }
    Ok(Exit::Ok)
}
