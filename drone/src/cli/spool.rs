//! `skep spool`: what waits here for its queue.

use serde::Serialize;
use skep_queue::TaskId;

use super::{
    Exit, Failed, Form, World, args,
    out::{text::count, time},
};
use crate::{
    client::Client,
    config::Url,
    duration::Written,
    spool::{
        Entry, Error, Key, Spool,
        deliver::{Delivered, Delivery, End},
    },
};

/// Most tasks that a submit brings along from the spool.
const ALONG: usize = 256;

/// Lists and steers what waits in the spool.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Drops submissions for good.
    Drop {
        /// The ids of their first tasks, as listed.
        #[arg(required = true, value_parser = args::id)]
        ids: Vec<TaskId>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Brings to the queue what is spooled for it, now.
    Flush {
        /// Those as well that the queue refused for good.
        #[arg(long)]
        refused: bool,
    },
    /// Lists submissions, oldest first.
    List,
}

#[derive(Serialize)]
struct EntryJson<'a> {
    id: TaskId,
    task_type: &'a str,
    queue: &'a str,
    backend: &'a str,
    state: &'static str,
    tasks: u64,
    bytes: u64,
    kept_at: String,
    tries: u64,
    refusal: Option<&'a str>,
}

pub(super) async fn run(args: Args, world: &World) -> Result<Exit, Failed> {
    let done = match args.verb {
        Verb::Drop { ids, dry_run } => discard(ids, dry_run, world).await,
        Verb::Flush { refused } => flush(refused, world).await,
        Verb::List => list(world).await,
    };
    note_damage(&world.spool(), world);
    done
}

async fn list(world: &World) -> Result<Exit, Failed> {
    let entries = world.spool().list().await?;
    match world.out.form() {
        Form::Json => entries.iter().for_each(|entry| world.out.json(&json(entry))),
        Form::Quiet => entries.iter().for_each(|entry| world.out.line(entry.id.to_string())),
        Form::Table if entries.is_empty() => world.out.talk("nothing is spooled"),
        Form::Table => {
            let header = ["id", "type", "tasks", "queue", "backend", "age", "state", "refusal"];
            world.out.table(&header, entries.iter().map(|entry| row(entry, &world.spool())));
        }
    }
    Ok(Exit::Ok)
}

fn state(entry: &Entry) -> &'static str {
    if entry.refused { "refused" } else { "waits" }
}

fn json(entry: &Entry) -> EntryJson<'_> {
    EntryJson {
        id: entry.id,
        task_type: &entry.task_type,
        queue: &entry.queue,
        backend: &entry.backend,
        state: state(entry),
        tasks: entry.tasks,
        bytes: entry.bytes,
        kept_at: time(entry.kept_at),
        tries: entry.tries,
        refusal: entry.refusal.as_deref(),
    }
}

fn row(entry: &Entry, spool: &Spool) -> Vec<String> {
    vec![
        entry.id.to_string(),
        entry.task_type.clone(),
        entry.tasks.to_string(),
        entry.queue.clone(),
        entry.backend.clone(),
        age(spool, entry.kept_at),
        state(entry).to_owned(),
        entry.refusal.clone().unwrap_or_default(),
    ]
}

/// How long ago something was kept, to the second.
pub(super) fn age(spool: &Spool, kept_at: skep_queue::Timestamp) -> String {
    Written(std::time::Duration::from_secs(spool.age(kept_at).as_secs())).to_string()
}

async fn discard(ids: Vec<TaskId>, dry_run: bool, world: &World) -> Result<Exit, Failed> {
    let spool = world.spool();
    let there: Vec<bool> = if dry_run {
        let listed: Vec<TaskId> = spool.list().await?.iter().map(|entry| entry.id).collect();
        ids.iter().map(|id| listed.contains(id)).collect()
    } else {
        spool.discard(ids.clone()).await?
    };
    for (id, there) in ids.iter().zip(&there) {
        let outcome = if *there { "dropped" } else { "not_found" };
        match world.out.form() {
            Form::Json => {
                world.out.json(&serde_json::json!({ "id": id, "outcome": outcome, "dry_run": dry_run }))
            }
            Form::Quiet if !there => {}
            Form::Quiet => world.out.line(id.to_string()),
            Form::Table => {
                let dry = if dry_run { " (not done: dry run)" } else { "" };
                world.out.talk(format!("{id}: {outcome}{dry}"));
            }
        }
    }
    Ok(if there.contains(&false) { Exit::NotFound } else { Exit::Ok })
}

async fn flush(refused: bool, world: &World) -> Result<Exit, Failed> {
    let (spool, key) = (world.spool(), Key::of(world.url()));
    let backend = world.open().await?;
    if refused {
        spool.forgive(&key).await?;
    }
    let delivery = Delivery { spool, key, queue: backend };
    let done = delivery.all().await?;
    let Delivered { tasks, refused, .. } = &done;
    match world.out.form() {
        Form::Json => world.out.json(&serde_json::json!({ "delivered": tasks, "refused": refused })),
        _ => world.out.talk(format!("delivered {}, {refused} refused", count(*tasks, "task"))),
    }
    match done.end {
        End::Empty | End::Enough if *refused == 0 => Ok(Exit::Ok),
        End::Empty | End::Enough => {
            Err(Failed::new(Exit::Rejected, "the queue refused some for good: see skep spool list"))
        }
        End::Full(no) => Err(Failed::new(Exit::Rejected, no.to_string()).note("the rest waits")),
        End::Down(error) => {
            let why = Url::new(world.url()).redact(&error.to_string());
            Err(Failed::new(Failed::from(error).exit(), why))
        }
        End::Taken => {
            Err(Failed::new(Exit::Failed, "another process is delivering: a drone, or another flush"))
        }
    }
}

/// Before a submit: what was spooled before it. What goes wrong here is not what was asked for.
pub(super) async fn flush_first(client: &Client, world: &World) {
    match client.flush(ALONG).await {
        Ok(Delivered { tasks, refused, .. }) if tasks + refused > 0 => {
            let text = format!("delivered {} from the spool, {refused} refused", count(tasks, "task"));
            if world.out.form() == Form::Table {
                world.out.talk(text);
            }
        }
        Ok(_) => {}
        Err(error) => world.out.talk(format!("note: {error}")),
    }
}

/// Says it when a damaged file was put aside.
pub(super) fn note_damage(spool: &Spool, world: &World) {
    if let Some(aside) = spool.set_aside() {
        world.out.talk(format!(
            "note: the spool {} was damaged, and is begun anew; what was in it is not delivered, and lies in {}",
            spool.path().display(),
            aside.display()
        ));
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::new(Exit::Failed, error.to_string())
    }
}
