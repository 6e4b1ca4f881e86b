//! `skep call`: submits a task, waits, and prints its result.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::{
    Exit, Failed, World, args, result,
    result::Told,
    submit::options::{self, TaskOptions},
};
use crate::client::{self, Landed, Receipt};

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
    let client = args.options.client(world, world.open().await?).await;
    // Before the submit: whoever interrupts what has been accepted is told its id.
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|e| Failed::new(Exit::Failed, e.to_string()))?;
    let begun = world.clock.elapsed();
    let Receipt { id, landed } = client.submit(task).await?;
    if landed == Landed::Spooled {
        return Err(client::Error::Spooled { id }.into());
    }
    let left = args.timeout.saturating_sub(world.clock.elapsed().saturating_sub(begun));
    let told = Told::new(world);
    let ended = tokio::select! {
        ended = client.outcome(id, left, |note| told.note(&note)) => ended,
        _ = interrupt.recv() => {
            let hint = format!("the task goes on: skep result {id} --wait, or skep task cancel {id}");
            return Err(Failed::new(Exit::Failed, "interrupted").note(hint));
        }
    };
    drop(told);
    match ended {
        Ok(value) => result::print(value.as_deref(), world),
        Err(error) => return Err(result::explained(error, &client).await),
    }
    Ok(Exit::Ok)
}
