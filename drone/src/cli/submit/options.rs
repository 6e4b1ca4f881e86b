//! What `submit` and `call` both take.

use std::{sync::Arc, time::Duration};

use skep_queue::{Backend, Due, Priority, QueueName, TaskId, TaskType, block::OnConflict};

use crate::{
    cli::{
        Exit, Failed, World,
        args::{self, Otherwise},
        spool,
    },
    client::{Client, NewTask, OnDown, OnFull},
};

/// The options of a task, and what to do when it is not taken.
#[derive(Debug, Clone, Default, clap::Args)]
pub(in crate::cli) struct TaskOptions {
    /// Start it after this time.
    #[arg(long = "in", value_parser = args::span, value_name = "TIME", conflicts_with = "at")]
    pub(super) after: Option<Duration>,
    /// Start it at this time: RFC 3339, "2026-12-24 18:00", "tomorrow 9:00" or 9:00.
    #[arg(long, value_name = "WHEN")]
    pub(super) at: Option<String>,
    /// The queue it waits in.
    #[arg(long, value_name = "QUEUE", default_value = "default")]
    pub(super) queue: String,
    /// 1 to 5, or max, high, normal, low, min: lower is sooner.
    #[arg(long, value_name = "N", default_value = "normal")]
    pub(super) priority: String,
    /// At most one task with this key is in the queue.
    #[arg(long, value_name = "KEY")]
    pub(super) unique: Option<String>,
    /// When the key is taken: reject, skip or replace.
    #[arg(long, value_name = "HOW", requires = "unique", value_parser = on_conflict)]
    pub(super) on_conflict: Option<OnConflict>,
    /// Its id, any UUID: submitting again with the same id is safe.
    #[arg(long, value_name = "UUID", value_parser = args::id)]
    pub(super) id: Option<TaskId>,
    /// Failed runs before it is discarded.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) max_attempts: Option<u16>,
    /// The task type that receives its outcome.
    #[arg(long, value_name = "TYPE")]
    pub(super) postback: Option<String>,
    /// Handed to the worker as it is.
    #[arg(long, value_name = "KEY=VALUE", value_parser = args::pair)]
    pub(super) meta: Vec<(String, String)>,
    /// The payload is not JSON but any bytes.
    #[arg(long)]
    pub(super) bytes: bool,
    /// When there is no room: reject, wait, wait=30s or spool.
    #[arg(long, value_name = "HOW", default_value = "reject", value_parser = on_full)]
    pub(super) on_full: OnFull,
    /// When there is no room, try again for so long: as --on-full wait=TIME.
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30s",
        value_parser = args::span,
        conflicts_with = "on_full"
    )]
    pub(super) retry: Option<Duration>,
    /// When the queue cannot be reached: fail, wait, wait=30s or spool.
    #[arg(long, value_name = "HOW", default_value = "fail", value_parser = on_down)]
    pub(super) on_down: OnDown,
}

impl TaskOptions {
    /// A task with these options and no payload yet.
    pub(in crate::cli) fn task(&self, task_type: &str, now: &jiff::Zoned) -> Result<NewTask, Failed> {
        let task_type: TaskType = parse(task_type)?;
        let task = match self.bytes {
            true => NewTask::bytes(task_type, ""),
            false => NewTask::json(task_type, "null").map_err(usage)?,
        };
        let due = match (self.after, &self.at) {
            (Some(delay), _) => Due::In(delay),
            (None, Some(at)) => Due::At(args::moment(at, now).map_err(usage)?),
            (None, None) => Due::Now,
        };
        let task = task.queue(parse::<QueueName>(&self.queue)?).priority(parse::<Priority>(&self.priority)?);
        self.rare(task.due(due))
    }

    /// What few tasks set.
    fn rare(&self, mut task: NewTask) -> Result<NewTask, Failed> {
        if let Some(key) = &self.unique {
            task = task.unique(key, self.on_conflict.unwrap_or_default());
        }
        if let Some(id) = self.id {
            task = task.id(id);
        }
        if let Some(runs) = self.max_attempts {
            task = task.max_attempts(runs);
        }
        if let Some(to) = &self.postback {
            task = task.postback(parse(to)?);
        }
        Ok(self.meta.iter().fold(task, |task, (key, value)| task.meta(key, value)))
    }

    /// Whether they belong to one task only.
    pub(super) fn names_one(&self) -> bool {
        self.id.is_some() || self.unique.is_some()
    }

    /// A client that does what they say. What was spooled before comes first, as far as a moment allows.
    pub(in crate::cli) async fn client(&self, world: &World, backend: Arc<dyn Backend>) -> Client {
        let spool = world.spool();
        let on_full = self.retry.map_or(self.on_full, OnFull::Wait);
        let client = world.client(backend).on_full(on_full).on_down(self.on_down);
        let client = client.spool(spool.clone(), world.url());
        if spool.exists() {
            spool::flush_first(&client, world).await;
        }
        client
    }
}

/// The task with the payload of the command line: JSON, or `@FILE`; null when there is none.
pub(in crate::cli) fn with_payload(like: &NewTask, payload: Option<&str>) -> Result<NewTask, Failed> {
    let bytes = match payload {
        None => return Ok(like.clone()),
        Some(text) => match text.strip_prefix('@') {
            Some(path) => {
                std::fs::read(path).map_err(|error| usage(format!("{path} cannot be read: {error}")))?
            }
            None => text.as_bytes().to_vec(),
        },
    };
    like.again(bytes).map_err(|error| usage(error).note("quote JSON for the shell: '{\"a\": 1}'"))
}

/// A name, or what else says itself what is wrong.
pub(super) fn parse<T: std::str::FromStr<Err: ToString>>(text: &str) -> Result<T, Failed> {
    text.parse().map_err(|error: T::Err| usage(error.to_string()))
}

pub(super) fn usage(why: impl ToString) -> Failed {
    Failed::new(Exit::Usage, why.to_string())
}

pub(super) fn on_conflict(text: &str) -> Result<OnConflict, String> {
    match text {
        "reject" => Ok(OnConflict::Reject),
        "skip" => Ok(OnConflict::Skip),
        "replace" => Ok(OnConflict::Replace),
        _ => Err(format!("{text:?} is unknown here: use reject, skip or replace")),
    }
}

fn on_full(text: &str) -> Result<OnFull, String> {
    Ok(match args::otherwise(text, "reject")? {
        Otherwise::Now => OnFull::Reject,
        Otherwise::Wait(time) => OnFull::Wait(time),
        Otherwise::Spool => OnFull::Spool,
    })
}

fn on_down(text: &str) -> Result<OnDown, String> {
    Ok(match args::otherwise(text, "fail")? {
        Otherwise::Now => OnDown::Fail,
        Otherwise::Wait(time) => OnDown::Wait(time),
        Otherwise::Spool => OnDown::Spool,
    })
}
