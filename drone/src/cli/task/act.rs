//! `skep task cancel`, `retry` and `discard`: each id has an answer of its own.

use serde::Serialize;
use skep_queue::{
    Backend, TaskId,
    admin::{Act, Acted, State},
};

use crate::cli::{Exit, Failed, Form, World, args};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The tasks.
    #[arg(required = true, value_name = "ID", value_parser = args::id)]
    ids: Vec<TaskId>,
    /// Only say what would become of them.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Line {
    id: TaskId,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    dry_run: bool,
}

pub(super) async fn run(act: Act, args: Args, world: &World) -> Result<Exit, Failed> {
    let backend = world.existing().await?;
    let acted = match args.dry_run {
        true => foresee(backend.as_ref(), act, &args.ids).await?,
        false => backend.act(act, args.ids.clone()).await?,
    };
    for (id, acted) in args.ids.iter().zip(&acted) {
        say(act, *id, acted, args.dry_run, world);
    }
    let any = |what: fn(&Acted) -> bool| acted.iter().any(what);
    Ok(match () {
        () if any(|acted| matches!(acted, Acted::NotFound)) => Exit::NotFound,
        () if any(|acted| matches!(acted, Acted::Rejected(_))) => Exit::Rejected,
        () if any(|acted| matches!(acted, Acted::Unchanged(_))) => Exit::Failed,
        () => Exit::Ok,
    })
}

fn say(act: Act, id: TaskId, acted: &Acted, dry_run: bool, world: &World) {
    let (outcome, state, reason) = match acted {
        Acted::Done => ("done", None, None),
        Acted::Requested => ("requested", None, None),
        Acted::Unchanged(state) => ("unchanged", Some(*state), None),
        Acted::NotFound => ("not_found", None, None),
        Acted::Rejected(rejection) => ("rejected", None, Some(rejection.to_string())),
    };
    match world.out.form() {
        Form::Json => world.out.json(&Line { id, outcome, state, reason, dry_run }),
        Form::Quiet if matches!(acted, Acted::Done | Acted::Requested) => world.out.line(id.to_string()),
        Form::Quiet => {}
        Form::Table => world.out.line(format!("{id}  {}", words(act, acted, dry_run))),
    }
}

fn words(act: Act, acted: &Acted, dry_run: bool) -> String {
    let (past, bare) = match act {
        Act::Cancel => ("cancelled", "cancel"),
        Act::Retry => ("available again", "retry"),
        Act::Discard => ("discarded", "discard"),
    };
    match acted {
        Acted::Done if dry_run => format!("would {bare} it"),
        Acted::Requested if dry_run => format!("would ask its drone to {bare} it"),
        Acted::Done => past.to_owned(),
        Acted::Requested => "running: its drone is told to stop it".to_owned(),
        Acted::Unchanged(state) => format!("unchanged: it is {state}"),
        Acted::NotFound => "not found".to_owned(),
        Acted::Rejected(rejection) => rejection.to_string(),
    }
}

/// What would become of tasks, by their states now.
async fn foresee(backend: &dyn Backend, act: Act, ids: &[TaskId]) -> Result<Vec<Acted>, Failed> {
    let mut acted = Vec::new();
    for id in ids {
        let task = backend.task(*id).await?;
        acted.push(task.map_or(Acted::NotFound, |task| foresee_one(act, task.view.state)));
    }
    Ok(acted)
}

fn foresee_one(act: Act, state: State) -> Acted {
    match (act, state) {
        (Act::Cancel | Act::Discard, State::Scheduled | State::Available)
        | (Act::Retry, State::Scheduled | State::Discarded | State::Cancelled) => Acted::Done,
        (Act::Cancel, State::Claimed) => Acted::Requested,
        _ => Acted::Unchanged(state),
    }
}
