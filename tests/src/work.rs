//! The work of a test drone: handlers that write down that they begin and end.

use std::{io, sync::Arc, time::Duration};

use skep_drone::{
    Builder, Context, HandlerError, HandlerWorker, Settings,
    policy::{Backoff, Policy},
    worker::{Launch, ProcessWorker, process},
};
use skep_postgres::CompleteIn;
use skep_queue::TaskType;
use sqlx::PgPool;

use crate::{
    journal::{self, Entry, Journal, Run},
    plan::{Job, Plan},
};

/// A worker process that writes down what it does.
const CHILD: &str = include_str!("child.py");
/// What in-process handlers serve, besides: they do all the same.
pub const TYPES: [&str; 5] = ["work", "slow", "resize", "mail", "index"];
/// What is done in a transaction of the queue's own server, which completes the task.
pub const BOOKED: &str = "book";
/// Where that writes a line a task.
pub const BOOKS: &str = "create table public.books (task uuid not null, pid int not null)";
const BOOK: &str = "insert into public.books values ($1, $2)";

/// Adds the workers of a plan.
///
/// # Errors
/// When the journal cannot be opened, or a name is none.
pub fn workers(builder: Builder, plan: &Plan) -> io::Result<Builder> {
    let backoff = Backoff { base: Duration::from_millis(5), power: 1, max: Duration::from_secs(1) };
    let policy = Policy { backoff, ..Policy::default() };
    let settings = Settings { policy, prefetch: plan.prefetch, ..Settings::default() };
    let journal = Arc::new(Journal::open(&plan.journal)?);
    let deps = builder.deps();
    let mut worker = HandlerWorker::new(plan.hands, deps.tracker.clone());
    for name in TYPES {
        let journal = Arc::clone(&journal);
        worker = worker.handle(task_type(name)?, move |job, context| run(job, context, Arc::clone(&journal)));
    }
    if plan.queue.starts_with("postgres:") {
        let server = PgPool::connect_lazy(&plan.queue).map_err(io::Error::other)?;
        worker = worker.handle(task_type(BOOKED)?, move |job, context| {
            book(job, context, Arc::clone(&journal), server.clone())
        });
    }
    let builder = builder.handlers(worker, settings.clone());
    if plan.children == 0 {
        return Ok(builder);
    }
    let config = process::Config {
        argv: ["python3", "-c", CHILD].map(String::from).into(),
        processes: plan.children,
        kill_after: Duration::from_millis(500),
        ..process::Config::default()
    };
    let variable = (journal::VARIABLE.to_owned(), plan.journal.display().to_string());
    let launch = Launch { env: [variable].into(), ..Launch::default() };
    let worker = ProcessWorker::new(config, launch, "child", deps);
    Ok(builder.worker(Arc::new(worker), vec![task_type("child")?], settings))
}

fn task_type(name: &str) -> io::Result<TaskType> {
    name.parse().map_err(io::Error::other)
}

/// A run of this task, now.
fn now(context: &Context) -> Run {
    let task = context.task();
    let (attempt, fence, pid) = (task.attempt, task.fence, std::process::id());
    Run { task: task.id, attempt, fence, pid, at: journal::now() }
}

async fn run(job: Job, context: Context, journal: Arc<Journal>) -> Result<Run, HandlerError> {
    let begun = now(&context);
    journal.append(&[Entry::Begin(begun)])?;
    if job.abort {
        std::process::abort();
    }
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(job.millis)) => {}
        _ = context.stopped() => return Err(HandlerError::failed("stopped")),
    }
    journal.append(&[Entry::End(now(&context))])?;
    if job.fail { Err(HandlerError::never("as asked")) } else { Ok(begun) }
}

/// Writes a line, and completes its task with it. It says that it has ended before that is so, since a kill may
/// come right after.
async fn book(
    job: Job,
    context: Context,
    journal: Arc<Journal>,
    server: PgPool,
) -> Result<Run, HandlerError> {
    let begun = now(&context);
    journal.append(&[Entry::Begin(begun)])?;
    let mut transaction = server.begin().await?;
    let line = sqlx::query(BOOK).bind(begun.task.0).bind(begun.pid.cast_signed());
    line.execute(&mut *transaction).await?;
    tokio::time::sleep(Duration::from_millis(job.millis)).await;
    context.complete_in(&mut transaction, &begun).await?;
    journal.append(&[Entry::End(now(&context))])?;
    transaction.commit().await?;
    Ok(begun)
}
