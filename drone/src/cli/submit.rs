//! `skep submit`: one task, or many from a stream or a file.

mod answer;
mod bulk;
mod file;
mod lines;
pub(super) mod options;

use std::{path::PathBuf, time::Duration};

use self::{answer::Answer, bulk::Bulk, options::TaskOptions};
use super::{Exit, Failed, Form, World, args, out::text::count, result, spool};
use crate::client::{Landed, NewTask, Receipt};

/// Puts tasks into a queue.
///
/// The payload is JSON, @FILE for a file that holds it, or - for JSON lines from standard input, each a
/// task of its own. Without one it is null.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What kind of work it is. With --file: for those that name no type.
    #[arg(value_name = "TYPE", required_unless_present = "file")]
    task_type: Option<String>,
    /// JSON, @FILE, or - for JSON lines.
    #[arg(value_name = "JSON|@FILE|-", conflicts_with = "file")]
    payload: Option<String>,
    #[command(flatten)]
    options: TaskOptions,
    /// A file that lists tasks: a JSON array, or [[task]] in TOML, each with task_type, payload, and options.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Wait until the task has ended, and print its result.
    #[arg(long, conflicts_with = "file")]
    wait: bool,
    /// How long to wait.
    #[arg(long, requires = "wait", value_parser = args::span, value_name = "TIME")]
    timeout: Option<Duration>,
    /// Of many tasks, accept those that fit.
    #[arg(long)]
    partial: bool,
    /// Only check, and say what would be submitted.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(args: Args, world: &World) -> Result<Exit, Failed> {
    let like = match &args.task_type {
        Some(task_type) => Some(args.options.task(task_type, &world.local_now())?),
        None => None,
    };
    if let Some(path) = &args.file {
        let tasks = file::read(path, like.as_ref(), &args.options, &world.local_now())?;
        return bulk(&args, lines::few(tasks), world).await;
    }
    let Some(like) = like else { return Err(Failed::new(Exit::Usage, "a task has a type")) };
    if args.payload.as_deref() != Some("-") {
        let task = options::with_payload(&like, args.payload.as_deref())?;
        return one(&args, task, world).await;
    }
    if args.wait || args.options.names_one() {
        let why = "--wait, --id and --unique are for one task, not for a stream";
        return Err(Failed::new(Exit::Usage, why));
    }
    bulk(&args, lines::read(world.input(), like), world).await
}

async fn one(args: &Args, task: NewTask, world: &World) -> Result<Exit, Failed> {
    if args.dry_run {
        return Ok(would(1, world));
    }
    let client = args.options.client(world, world.open().await?).await;
    let answer = client.submit(task).await;
    spool::note_damage(&world.spool(), world);
    let spooled = matches!(answer, Ok(Receipt { landed: Landed::Spooled, .. }));
    if !args.wait || spooled || answer.is_err() || world.out.form() == Form::Quiet {
        Answer::of(&answer).say(&world.out);
    }
    let receipt = answer?;
    if spooled {
        return Ok(Exit::Spooled);
    }
    if !args.wait {
        return Ok(Exit::Ok);
    }
    let timeout = args.timeout.unwrap_or(Duration::MAX);
    result::wait(&client, receipt.id, timeout, world).await
}

async fn bulk(args: &Args, mut tasks: lines::Stream, world: &World) -> Result<Exit, Failed> {
    if args.dry_run {
        let mut n = 0;
        while let Some(some) = tasks.recv().await {
            n += some?.len();
        }
        return Ok(would(n, world));
    }
    let client = args.options.client(world, world.open().await?).await;
    Bulk::new(client, args.partial, world).run(tasks).await
}

fn would(n: usize, world: &World) -> Exit {
    match world.out.form() {
        Form::Json => world.out.json(&serde_json::json!({ "dry_run": true, "tasks": n })),
        _ => world.out.talk(format!("would submit {}", count(n, "task"))),
    }
    Exit::Ok
}
