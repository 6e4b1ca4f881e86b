//! `skep task list`.

use skep_queue::{
    QueueName, TaskType,
    admin::{Filter, State, TaskView},
};

use crate::cli::{
    Exit, Failed, Form, World, args,
    out::{
        TaskJson,
        text::{first_line, span},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// state:available, type:mail, queue:default, cause:crashed; several states mean any of them.
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// In this state; several mean any of them.
    #[arg(long, value_delimiter = ',', value_name = "STATE")]
    state: Vec<State>,
    /// Of this type.
    #[arg(long = "type", value_name = "TYPE")]
    task_type: Option<TaskType>,
    /// In this queue.
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) async fn run(args: Args, world: &World) -> Result<Exit, Failed> {
    let filter = filter(args).map_err(|why| Failed::new(Exit::Usage, why))?;
    let tasks = world.existing().await?.find(filter).await?;
    match world.out.form() {
        Form::Json => tasks.iter().for_each(|task| world.out.json(&TaskJson::from(task))),
        Form::Quiet => tasks.iter().for_each(|task| world.out.line(task.id.to_string())),
        Form::Table if tasks.is_empty() => world.out.talk("no such tasks"),
        Form::Table => {
            let header = ["id", "type", "state", "attempts", "age", "worker", "error"];
            world.out.table(&header, tasks.iter().map(|task| row(task, world)));
        }
    }
    Ok(Exit::Ok)
}

fn row(task: &TaskView, world: &World) -> Vec<String> {
    vec![
        task.id.to_string(),
        task.task_type.to_string(),
        state(task).to_owned(),
        task.attempts.to_string(),
        span(world.clock.now().since(task.created_at)),
        task.worker.clone().unwrap_or_default(),
        first_line(task.error.as_deref().unwrap_or_default()),
    ]
}

/// A task's state in a word for people.
pub(super) fn state(task: &TaskView) -> &'static str {
    match task.state {
        State::Scheduled if task.attempts > 0 => "retrying",
        state => state.as_str(),
    }
}

fn filter(args: Args) -> Result<Filter, String> {
    let mut filter = Filter {
        states: args.state,
        queue: args.queue,
        task_type: args.task_type,
        cause: None,
        limit: args.limit,
    };
    for word in &args.filters {
        let (key, value) = word.split_once(':').ok_or_else(|| unknown(word))?;
        match key {
            "state" => {
                for state in value.split(',') {
                    filter.states.push(state.parse()?);
                }
            }
            "type" => {
                filter.task_type = Some(value.parse().map_err(|e: skep_queue::NameError| e.to_string())?)
            }
            "queue" => filter.queue = Some(value.parse().map_err(|e: skep_queue::NameError| e.to_string())?),
            "cause" => filter.cause = Some(args::cause(value)?),
            _ => return Err(unknown(word)),
        }
    }
    Ok(filter)
}

fn unknown(word: &str) -> String {
    format!("{word:?} is no filter: write state:available, type:mail, queue:default or cause:crashed")
}
