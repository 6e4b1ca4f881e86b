//! `skep demo`: the main job on real input. Every file below a folder becomes a task; its first link, a
//! handler in this process, takes the file's SHA-256 and counts its lines; its second, a pool of processes,
//! counts its words; a summary runs when all are done.
//!
//! ```text
//! demo.walk ──follow-ups, in its transaction──► demo.file ──local link──► demo.words   (one task, two workers)
//!                                       └──────► demo.summary   (snoozes until the others are done)
//! ```

mod walk;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use skep_queue::{
    Backend, QueueName, TaskType,
    admin::{Filter, State},
};

use crate::{
    Builder, Context, Drone, Error, HandlerError, Life, Settings,
    policy::Policy,
    worker::{ExecWorker, Launch, ProcessWorker, Worker, check_program, exec, process},
};

pub use walk::Walked;

/// How long the summary waits between two looks.
const AGAIN: Duration = Duration::from_millis(100);
const PYTHON: &str = include_str!("demo/words.py");
const SHELL: &str = include_str!("demo/words.sh");

/// What became of a file: the result of its task.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FileReport {
    /// Which run of the demo it belongs to: the id of the walk's task.
    pub run: String,
    /// Where it is.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Newlines, and one more for a last line without.
    pub lines: u64,
    /// In hex, as `sha256sum` prints it.
    pub sha256: String,
    /// As the second worker counts them; absent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<u64>,
}

/// The last task's result.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Files done.
    pub files: usize,
    /// Their sizes together.
    pub bytes: u64,
    /// Their lines.
    pub lines: u64,
    /// Their words.
    pub words: u64,
    /// Files that could not be read.
    pub failed: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct FileTask {
    run: String,
    path: String,
}

/// What walks the folder, and the only task to submit.
#[must_use]
pub fn walk_type() -> TaskType {
    name("demo.walk")
}

/// What every file becomes.
#[must_use]
pub fn file_type() -> TaskType {
    name("demo.file")
}

/// What runs last.
#[must_use]
pub fn summary_type() -> TaskType {
    name("demo.summary")
}

#[expect(clippy::expect_used, reason = "constants, and a test reads them all")]
fn name(text: &str) -> TaskType {
    text.parse().expect("a name")
}

/// A drone that does the demo on a backend and leaves; its scratch files lie in `folder`. Answers which
/// program counts the words.
///
/// # Errors
/// When the scratch files cannot be written.
pub fn drone(label: &str, backend: Arc<dyn Backend>, folder: &Path) -> Result<(Drone, &'static str), Error> {
    let once = Settings { policy: Policy { max_attempts: 1, ..Policy::default() }, ..Settings::default() };
    let admin = Arc::clone(&backend);
    let builder = Drone::builder()
        .name("demo")
        .queue(label, QueueName::default(), backend)
        .local_path(folder.join("local.db"))
        .life(Life { until_empty: true, ..Life::default() })
        .handler(walk_type(), 1, Settings::default(), |dir: PathBuf, context| async move {
            walk_all(&dir, &context)
        })
        .handler(file_type(), 2, once.clone(), |task: FileTask, context| digest(task, context))
        .handler(summary_type(), 1, Settings::default(), move |run: String, _| {
            summarise(run, Arc::clone(&admin))
        });
    let (builder, program) = words(builder, once, folder)?;
    Ok((builder.build()?, program))
}

fn walk_all(dir: &Path, context: &Context) -> Result<Walked, HandlerError> {
    let run = context.task().id.to_string();
    let walked = walk::files(dir).map_err(HandlerError::never)?;
    for path in &walked.paths {
        context.submit(file_type(), &FileTask { run: run.clone(), path: path.clone() })?;
    }
    context.submit(summary_type(), &run)?;
    Ok(Walked { paths: Vec::new(), ..walked })
}

async fn digest(task: FileTask, context: Context) -> Result<(), HandlerError> {
    // Reading blocks: not on a thread that other handlers need.
    let read = tokio::task::spawn_blocking(move || read(task)).await?;
    let report = read.map_err(HandlerError::never)?;
    Ok(context.next(name("demo.words"), &report)?)
}

fn read(task: FileTask) -> std::io::Result<FileReport> {
    let mut reader = BufReader::with_capacity(256 * 1024, std::fs::File::open(&task.path)?);
    let (mut hash, mut bytes, mut lines, mut last) = (Sha256::new(), 0, 0, b'\n');
    loop {
        let chunk = reader.fill_buf()?;
        let Some(end) = chunk.last() else { break };
        hash.update(chunk);
        lines += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        last = *end;
        let read = chunk.len();
        bytes += read as u64;
        reader.consume(read);
    }
    lines += u64::from(last != b'\n');
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(FileReport { run: task.run, path: task.path, bytes, lines, sha256, words: None })
}

async fn summarise(run: String, admin: Arc<dyn Backend>) -> Result<Summary, HandlerError> {
    let views = admin.queues().await?;
    let of_files = |view: &&skep_queue::admin::TypeView| view.name == file_type();
    if views.iter().flat_map(|view| &view.types).filter(of_files).any(|view| view.depth > 0) {
        return Err(HandlerError::snooze(AGAIN));
    }
    Ok(Summary::of(&reports(&*admin, &run).await?))
}

impl Summary {
    /// Adds the files up.
    #[must_use]
    pub fn of(reports: &[(String, Result<FileReport, String>)]) -> Self {
        reports.iter().fold(Self::default(), |sum, (_, report)| match report {
            Ok(file) => Self {
                files: sum.files + 1,
                bytes: sum.bytes + file.bytes,
                lines: sum.lines + file.lines,
                words: sum.words + file.words.unwrap_or(0),
                ..sum
            },
            Err(_) => Self { failed: sum.failed + 1, ..sum },
        })
    }
}

/// What became of each file of a run, by path; the error of one that could not be read.
///
/// # Errors
/// When the queue fails.
pub async fn reports(
    admin: &dyn Backend,
    run: &str,
) -> skep_queue::Result<Vec<(String, Result<FileReport, String>)>> {
    let filter = Filter { task_type: Some(file_type()), limit: usize::MAX, ..Filter::default() };
    let mut all = Vec::new();
    for view in admin.find(filter).await? {
        if let Some(report) = view.result.and_then(|json| serde_json::from_str::<FileReport>(json.get()).ok())
        {
            if report.run == run {
                all.push((report.path.clone(), Ok(report)));
            }
        } else if view.state == State::Discarded {
            let payload = admin.task(view.id).await?.map(|task| task.payload).unwrap_or_default();
            if let Ok(task) = serde_json::from_slice::<FileTask>(&payload)
                && task.run == run
            {
                all.push((task.path, Err(view.error.unwrap_or_default())));
            }
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

/// The second worker: Python where there is one, else the shell.
fn words(builder: Builder, settings: Settings, folder: &Path) -> Result<(Builder, &'static str), Error> {
    let deps = builder.deps();
    let python = vec!["python3".to_owned(), write(folder, "words.py", PYTHON)?];
    let path = std::env::var_os("PATH");
    let (worker, program): (Arc<dyn Worker>, _) = if check_program(&python, None, path.as_deref()).is_ok() {
        let config = process::Config { argv: python, processes: 2, ..process::Config::default() };
        (Arc::new(ProcessWorker::new(config, Launch::default(), "words", deps)), "python3")
    } else {
        let argv = vec!["sh".to_owned(), write(folder, "words.sh", SHELL)?];
        let config = exec::Config { argv, processes: 2, ..exec::Config::default() };
        (Arc::new(ExecWorker::new(config, Launch::default(), "words", deps)), "sh")
    };
    Ok((builder.worker(worker, vec![name("demo.words")], settings), program))
}

fn write(folder: &Path, file: &str, text: &str) -> Result<String, Error> {
    let path = folder.join(file);
    std::fs::write(&path, text).map_err(|error| Error::Config(format!("{}: {error}", path.display())))?;
    Ok(path.to_string_lossy().into_owned())
}
