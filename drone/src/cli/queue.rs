//! `skep queue`: looks at queues, and steers them.

use std::time::Duration;

use skep_queue::{
    QueueName, TaskType,
    admin::{Intake, QueueView, Setting},
    block::CEILING_MAX_PAYLOAD,
};

use super::{Exit, Failed, Form, World, args, out::QueueJson};
use crate::duration::Written;

/// Lists and steers queues.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// Only say what would be done.
    #[arg(long, global = true)]
    dry_run: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Bounds the tasks of a queue that have not ended; what exceeds it is rejected.
    Capacity {
        /// The queue.
        queue: QueueName,
        /// Most tasks, or none for no bound.
        #[arg(value_name = "N|none", value_parser = capacity)]
        capacity: Capacity,
        /// Only this type of it.
        #[arg(long = "type", value_name = "TYPE")]
        task_type: Option<TaskType>,
    },
    /// Takes no more tasks: the queue empties.
    Drain {
        /// The queue.
        queue: QueueName,
    },
    /// Lists queues.
    List,
    /// Bounds the bytes of one payload.
    MaxPayload {
        /// The queue.
        queue: QueueName,
        /// Most bytes, at most 16 MiB.
        #[arg(value_parser = clap::value_parser!(u64).range(1..=CEILING_MAX_PAYLOAD as u64))]
        bytes: u64,
    },
    /// Takes tasks again, after drain.
    Open {
        /// The queue.
        queue: QueueName,
    },
    /// Hands out no more tasks; takes them all the same.
    Pause {
        /// The queue.
        queue: QueueName,
        /// Only this type of it.
        #[arg(long = "type", value_name = "TYPE")]
        task_type: Option<TaskType>,
    },
    /// Lets no task starve: each time that long in line counts as one priority sooner.
    Promote {
        /// The queue.
        queue: QueueName,
        /// How long, or none for strict order.
        #[arg(value_name = "TIME|none", value_parser = promotion)]
        time: Promotion,
    },
    /// Hands out tasks again, after pause.
    Resume {
        /// The queue.
        queue: QueueName,
        /// Only this type of it.
        #[arg(long = "type", value_name = "TYPE")]
        task_type: Option<TaskType>,
    },
    /// Keeps tasks that have ended for so long; 0s for not at all.
    Retention {
        /// The queue.
        queue: QueueName,
        /// How long.
        #[arg(value_parser = args::span)]
        time: Duration,
    },
}

/// What clap takes for an absent value if it is an `Option`.
#[derive(Debug, Clone, Copy)]
struct Capacity(Option<u64>);

/// The same.
#[derive(Debug, Clone, Copy)]
struct Promotion(Option<Duration>);

pub(super) async fn run(args: Args, world: &World) -> Result<Exit, Failed> {
    let (queue, task_type, setting) = match args.verb {
        Verb::List => return list(world).await,
        Verb::Capacity { queue, capacity, task_type } => (queue, task_type, Setting::Capacity(capacity.0)),
        Verb::Drain { queue } => (queue, None, Setting::Intake(Intake::Draining)),
        Verb::MaxPayload { queue, bytes } => (queue, None, Setting::MaxPayload(bytes as usize)),
        Verb::Open { queue } => (queue, None, Setting::Intake(Intake::Open)),
        Verb::Pause { queue, task_type } => (queue, task_type, Setting::Paused(true)),
        Verb::Promote { queue, time } => (queue, None, Setting::PromoteAfter(time.0)),
        Verb::Resume { queue, task_type } => (queue, task_type, Setting::Paused(false)),
        Verb::Retention { queue, time } => (queue, None, Setting::Retention(time)),
    };
    if !args.dry_run {
        let backend = world.open().await?;
        let known = backend.queues().await?.iter().any(|view| view.name == queue);
        backend.set(queue.clone(), task_type.clone(), setting).await?;
        if !known {
            world.out.talk(format!("made queue {queue}: it was not there"));
        }
    }
    say(&queue, task_type.as_ref(), setting, args.dry_run, world);
    Ok(Exit::Ok)
}

fn say(queue: &QueueName, task_type: Option<&TaskType>, setting: Setting, dry_run: bool, world: &World) {
    let (key, value, words) = match setting {
        Setting::Paused(true) => ("paused", true.into(), "paused".into()),
        Setting::Paused(false) => ("paused", false.into(), "resumed".into()),
        Setting::Capacity(None) => ("capacity", serde_json::Value::Null, "no bound".into()),
        Setting::Capacity(Some(n)) => ("capacity", n.into(), format!("at most {n} tasks")),
        Setting::Intake(intake) => ("intake", serde_json::json!(intake), intake_words(intake).into()),
        Setting::Retention(time) => {
            ("retention", time.as_secs().into(), format!("ended tasks are kept for {}", Written(time)))
        }
        Setting::PromoteAfter(None) => ("promote_after", serde_json::Value::Null, "strict order".into()),
        Setting::PromoteAfter(Some(time)) => {
            let time = Setting::promote_after(time);
            let words = format!("a task counts as one priority sooner for each {} in line", Written(time));
            ("promote_after", time.as_secs_f64().into(), words)
        }
        Setting::MaxPayload(bytes) => {
            ("max_payload", bytes.into(), format!("payloads of at most {bytes} bytes"))
        }
    };
    match world.out.form() {
        Form::Json => {
            let object =
                serde_json::json!({ "name": queue, "type": task_type, key: value, "dry_run": dry_run });
            world.out.json(&object);
        }
        _ => {
            let of = task_type.map(|t| format!(", type {t}")).unwrap_or_default();
            let dry = if dry_run { " (not done: dry run)" } else { "" };
            world.out.talk(format!("{queue}{of}: {words}{dry}"));
        }
    }
}

async fn list(world: &World) -> Result<Exit, Failed> {
    let queues = world.existing().await?.queues().await?;
    match world.out.form() {
        Form::Json => queues.iter().for_each(|queue| world.out.json(&QueueJson::from(queue))),
        Form::Quiet => queues.iter().for_each(|queue| world.out.line(queue.name.as_str())),
        Form::Table if queues.is_empty() => world.out.talk("no queues yet: submit a task first"),
        Form::Table => {
            let header = ["name", "depth", "capacity", "scheduled", "available", "claimed", "state"];
            world.out.table(&header, queues.iter().map(row));
        }
    }
    Ok(Exit::Ok)
}

fn row(queue: &QueueView) -> Vec<String> {
    vec![
        queue.name.to_string(),
        queue.depth.to_string(),
        queue.capacity.map_or_else(|| "none".into(), |n| n.to_string()),
        queue.scheduled.to_string(),
        queue.available.to_string(),
        queue.claimed.to_string(),
        state(queue),
    ]
}

/// A queue's state in words: whether it hands out and takes in.
pub(super) fn state(queue: &QueueView) -> String {
    let mut words = Vec::new();
    if queue.paused {
        words.push("paused".to_owned());
    }
    if queue.intake != Intake::Open {
        words.push(intake_words(queue.intake).to_owned());
    }
    let paused = queue.types.iter().filter(|of_type| of_type.paused);
    words.extend(paused.map(|of_type| format!("{} paused", of_type.name)));
    if words.is_empty() { "open".into() } else { words.join(", ") }
}

const fn intake_words(intake: Intake) -> &'static str {
    match intake {
        Intake::Open => "takes tasks",
        Intake::Paused => "intake paused",
        Intake::Draining => "draining",
    }
}

fn promotion(text: &str) -> Result<Promotion, String> {
    match text {
        "none" => Ok(Promotion(None)),
        _ => match args::span(text).map_err(|error| format!("{error}; or none"))? {
            Duration::ZERO => Err("no time at all promotes everybody at once: write a time, or none".into()),
            time => Ok(Promotion(Some(time))),
        },
    }
}

fn capacity(text: &str) -> Result<Capacity, String> {
    if text == "none" {
        return Ok(Capacity(None));
    }
    let number =
        text.parse().map_err(|_| format!("{text:?} is not a number of tasks: write one, or none"))?;
    Ok(Capacity(Some(number)))
}
