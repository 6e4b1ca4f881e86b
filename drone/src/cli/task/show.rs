//! `skep task show`.

use skep_queue::{Content, TaskId, admin::TaskDetail};

use super::list::state;
use crate::{
    cli::{
        Exit, Failed, Form, World, args,
        out::{TaskJson, text::first_line, time},
    },
    client,
};

/// How much of a payload of bytes is shown.
const SHOWN: usize = 64;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The task.
    #[arg(value_parser = args::id)]
    id: TaskId,
}

pub(super) async fn run(args: &Args, world: &World) -> Result<Exit, Failed> {
    let found = world.existing().await?.task(args.id).await?;
    let task = found.ok_or(client::Error::NotFound { id: args.id })?;
    match world.out.form() {
        Form::Json => world.out.json(&TaskJson::whole(&task)),
        Form::Quiet => world.out.line(task.view.id.to_string()),
        Form::Table => show(&task, world),
    }
    Ok(Exit::Ok)
}

fn show(task: &TaskDetail, world: &World) {
    for (key, value) in facts(task) {
        world.out.line(format!("{key:<14} {value}"));
    }
    for (key, text) in [("error", task.view.error.clone()), ("payload", Some(payload(task)))] {
        if let Some(text) = text {
            world.out.line(key);
            text.lines().for_each(|line| world.out.line(format!("    {line}")));
        }
    }
    if !task.history.is_empty() {
        world.out.line("history");
        let row = |event: &skep_queue::admin::Event| {
            vec![
                time(event.at),
                event.cause.as_str().to_owned(),
                event.attempts.to_string(),
                event.worker.clone().unwrap_or_default(),
                first_line(&event.error),
            ]
        };
        world.out.table(&["at", "cause", "attempt", "worker", "error"], task.history.iter().map(row));
    }
}

/// What is set, in the order of the JSON keys.
fn facts(task: &TaskDetail) -> Vec<(&'static str, String)> {
    let view = &task.view;
    let result = view.result.as_ref().map(|json| json.get().to_owned());
    let all = [
        ("id", Some(view.id.to_string())),
        ("type", Some(view.task_type.to_string())),
        ("queue", Some(view.queue.to_string())),
        ("state", Some(state(view).to_owned())),
        ("priority", Some(view.priority.to_string())),
        ("run at", Some(time(view.run_at))),
        ("attempts", Some(view.attempts.to_string())),
        ("losses", Some(view.losses.to_string())),
        ("interruptions", Some(view.interruptions.to_string())),
        ("max attempts", view.max_attempts.map(|n| n.to_string())),
        ("worker", view.worker.clone()),
        ("result", result),
        ("created at", Some(time(view.created_at))),
        ("finished at", view.finished_at.map(time)),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

fn payload(task: &TaskDetail) -> String {
    let value = serde_json::from_slice::<serde_json::Value>(&task.payload).ok();
    match value.filter(|_| task.content == Content::Json) {
        Some(value) => format!("{value:#}"),
        None => {
            let (n, shown) = (task.payload.len(), &task.payload[..task.payload.len().min(SHOWN)]);
            format!("{n} bytes: {}", shown.escape_ascii())
        }
    }
}
