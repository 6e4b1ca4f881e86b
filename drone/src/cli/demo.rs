//! `skep demo`: the main job on real input, which ends by itself.

use std::{path::PathBuf, sync::Arc, time::Duration};

use indicatif::ProgressBar;
use skep_queue::{Backend, TaskId};

use super::{Exit, Failed, Form, Out, World};
use crate::{
    Stopper,
    client::{NewTask, Receipt},
    config::Url,
    demo::{self, FileReport, Summary, Walked},
};

/// How often the bar moves.
const LOOK: Duration = Duration::from_millis(100);
/// Rows of the table, unless all are asked for.
const ROWS: usize = 1000;

/// Runs the main job on real input: every file below DIR becomes a task.
///
/// A handler in this process takes each file's SHA-256 and counts its lines, a pool of Python (or shell)
/// processes counts its words, and a summary runs last. The queue stays: see `skep task list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder; `.git` and caches (CACHEDIR.TAG) below it are left out.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// A row for every file, however many there are.
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(args: Args, world: &World) -> Result<Exit, Failed> {
    let wrong =
        |error: &dyn std::fmt::Display| Failed::new(Exit::Usage, format!("{}: {error}", args.dir.display()));
    let dir = std::fs::canonicalize(&args.dir).map_err(|error| wrong(&error))?;
    if !dir.is_dir() {
        return Err(wrong(&"not a folder: name one whose files shall be read"));
    }
    let failed = |error: &dyn std::fmt::Display| Failed::new(Exit::Failed, error.to_string());
    let scratch = tempfile::tempdir().map_err(|error| failed(&error))?;
    let backend = world.open().await?;
    let (drone, program) =
        demo::drone(world.url(), Arc::clone(&backend), scratch.path()).map_err(|error| failed(&error))?;
    let task = NewTask::new(demo::walk_type().as_str(), &dir).map_err(|error| failed(&error))?;
    let Receipt { id, .. } = world.client(Arc::clone(&backend)).submit(task).await?;
    world.out.talk(format!("every file below {} becomes a task on {}", dir.display(), Url::new(world.url())));
    world.out.talk(format!("workers: a handler in this process (sha256, lines), then {program} (words)"));

    let bar = world.out.bar("files");
    let stopper = Stopper::default();
    let begun = world.clock.elapsed();
    tokio::select! {
        report = drone.run(stopper) => report.map_err(|error| failed(&error))?,
        never = watch(&*backend, id, &bar) => match never {},
    };
    bar.finish_and_clear();
    let time = world.clock.elapsed() - begun;
    conclude(&*backend, id, args.all, time, world).await
}

/// Moves the bar for as long as it is polled.
async fn watch(backend: &dyn Backend, walk: TaskId, bar: &ProgressBar) -> std::convert::Infallible {
    let mut files = None;
    loop {
        tokio::time::sleep(LOOK).await;
        if files.is_none() {
            files = walked(backend, walk).await.ok().flatten().map(|walked| walked.files as u64);
            files.into_iter().for_each(|total| Out::measure(bar, total));
        }
        if let (Some(files), Ok(views)) = (files, backend.queues().await) {
            let types = views.iter().flat_map(|view| &view.types);
            let left: u64 = types.filter(|t| t.name == demo::file_type()).map(|t| t.depth).sum();
            bar.set_position(files.saturating_sub(left));
        }
    }
}

async fn walked(backend: &dyn Backend, walk: TaskId) -> skep_queue::Result<Option<Walked>> {
    let task = backend.task(walk).await?;
    Ok(task.and_then(|task| task.view.result).and_then(|json| serde_json::from_str(json.get()).ok()))
}

async fn conclude(
    backend: &dyn Backend,
    walk: TaskId,
    all: bool,
    time: Duration,
    world: &World,
) -> Result<Exit, Failed> {
    let Some(walked) = walked(backend, walk).await? else {
        let hint = format!("the folder was not walked: see skep task show {walk}");
        return Err(Failed::new(Exit::Failed, hint));
    };
    let reports = demo::reports(backend, &walk.to_string()).await?;
    let shown = if all || world.out.form() != Form::Table { reports.len() } else { ROWS.min(reports.len()) };
    print(&reports[..shown], world);
    if shown < reports.len() {
        world.out.talk(format!("{} more rows with --all", reports.len() - shown));
    }
    let seconds = time.as_secs_f64();
    let Summary { files, bytes, lines, words, failed } = Summary::of(&reports);
    world.out.talk(format!(
        "{files} files, {bytes} bytes, {lines} lines, {words} words in {seconds:.2} s; {failed} failed"
    ));
    world.out.talk(format!(
        "{} folders left out (.git, caches), {} names not UTF-8",
        walked.left_out, walked.unnamed
    ));
    world.out.talk("the queue stays: try `skep task list`, `skep status`");
    let complete = files == walked.files && failed == 0;
    Ok(if complete { Exit::Ok } else { Exit::Failed })
}

fn print(reports: &[(String, Result<FileReport, String>)], world: &World) {
    match world.out.form() {
        Form::Json => reports.iter().for_each(|(path, report)| match report {
            Ok(file) => world.out.json(file),
            Err(error) => world.out.json(&serde_json::json!({ "path": path, "error": error })),
        }),
        Form::Quiet => reports.iter().for_each(|(path, _)| world.out.line(path)),
        Form::Table => {
            let rows = reports.iter().map(|(path, report)| match report {
                Ok(f) => vec![
                    f.sha256.clone(),
                    f.lines.to_string(),
                    f.words.unwrap_or(0).to_string(),
                    f.bytes.to_string(),
                    path.clone(),
                ],
                Err(error) => vec![error.clone(), String::new(), String::new(), String::new(), path.clone()],
            });
            world.out.table(&["SHA256", "LINES", "WORDS", "BYTES", "FILE"], rows);
        }
    }
}
