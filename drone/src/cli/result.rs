//! `skep result`: what a task came to.

use std::time::Duration;

use serde_json::value::RawValue;
use skep_queue::{TaskId, admin::TaskView};

use super::{Exit, Failed, World, args, out::text::count};
use crate::client::{self, Client};

/// Prints the result of a task.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The task.
    #[arg(value_parser = args::id)]
    id: TaskId,
    /// Wait until it has ended.
    #[arg(long)]
    wait: bool,
    /// How long to wait.
    #[arg(long, requires = "wait", value_parser = args::span, value_name = "TIME")]
    timeout: Option<Duration>,
}

pub(super) async fn run(args: Args, world: &World) -> Result<Exit, Failed> {
    let client = world.client(world.existing().await?);
    if args.wait {
        return match client.wait(args.id, args.timeout.unwrap_or(Duration::MAX)).await {
            Ok(view) => show(view, world),
            Err(error) => Err(explained(error, &client).await),
        };
    }
    let view = client.result(args.id).await?.ok_or(client::Error::NotFound { id: args.id })?;
    if view.state.is_terminal() {
        return show(view, world);
    }
    let why = format!("task {} is {}, and has no result yet", view.id, view.state);
    Err(Failed::new(Exit::Failed, why).note(format!("wait for it with: skep result {} --wait", view.id)))
}

/// An error of waiting; a task that has not ended yet may have failed before, and that is the news.
pub(super) async fn explained(error: client::Error, client: &Client) -> Failed {
    let client::Error::TimedOut { id } = error else { return error.into() };
    let failed = Failed::from(error);
    match client.result(id).await {
        Ok(Some(TaskView { attempts: n @ 1.., error: Some(why), .. })) => {
            failed.note(format!("it failed {} so far, last with: {why}", count(n.into(), "time")))
        }
        _ => failed,
    }
}

/// Prints what a task that ended came to.
pub(super) fn show(view: TaskView, world: &World) -> Result<Exit, Failed> {
    let value = client::finish(view)?;
    print(value.as_deref(), world);
    Ok(Exit::Ok)
}

/// Prints a result: JSON on one line, null when there is none.
pub(super) fn print(value: Option<&RawValue>, world: &World) {
    world.out.raw_json(value.map_or("null", RawValue::get));
}
