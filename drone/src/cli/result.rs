//! `skep result`: what a task came to.

use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::value::RawValue;
use skep_queue::{TaskId, admin::TaskView};

use super::{
    Exit, Failed, World, args,
    out::text::{count, line},
};
use crate::{
    backend::manager::wire::Note,
    client::{self, Client},
};

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
        return wait(&client, args.id, args.timeout.unwrap_or(Duration::MAX), world).await;
    }
    let view = client.result(args.id).await?.ok_or(client::Error::NotFound { id: args.id })?;
    if view.state.is_terminal() {
        return show(view, world);
    }
    let why = format!("task {} is {}, and has no result yet", view.id, view.state);
    Err(Failed::new(Exit::Failed, why).note(format!("wait for it with: skep result {} --wait", view.id)))
}

/// Waits until a task has ended, and prints what it came to.
pub(super) async fn wait(
    client: &Client,
    id: TaskId,
    timeout: Duration,
    world: &World,
) -> Result<Exit, Failed> {
    let told = Told::new(world);
    let ended = client.outcome(id, timeout, |note| told.note(&note)).await;
    drop(told);
    match ended {
        Ok(value) => print(value.as_deref(), world),
        Err(error) => return Err(explained(error, client).await),
    }
    Ok(Exit::Ok)
}

/// What a task tells on its way: a line on a terminal, where one can look on.
pub(super) struct Told(ProgressBar);

impl Told {
    pub(super) fn new(world: &World) -> Self {
        Self(world.out.spinner())
    }

    pub(super) fn note(&self, note: &Note) {
        let share = match (note.n, note.of) {
            (Some(n), Some(of)) => format!("{n} of {of} "),
            (Some(n), None) => format!("{n} "),
            _ => String::new(),
        };
        let data = || note.data.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let words = note.note.as_deref().map_or_else(data, Into::into);
        self.0.set_message(line(&format!("{share}{words}")).into_owned());
        self.0.tick();
    }
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
