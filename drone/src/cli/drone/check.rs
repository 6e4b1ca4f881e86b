//! `skep drone check`

use std::{path::Path, time::Duration};

use serde_json::json;

use super::FileArgs;
use crate::{
    backend::absent_file,
    cli::{Exit, Failed, Form, World},
    config::{Config, Loaded, QueueConfig, WorkerConfig, open},
};

/// How long a queue has to answer.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    file: FileArgs,
}

pub(crate) async fn check(args: Args, world: &World) -> Result<Exit, Failed> {
    let Loaded { config, notes, .. } = args.file.load(world)?;
    let mut problems: Vec<String> = config.workers.iter().filter_map(program).collect();
    let mut unreachable = false;
    for queue in &config.queues {
        // To look is not to make. Where it could not be made, opening says why, and makes nothing either.
        if let Some(path) =
            absent_file(queue.url.reveal()).filter(|path| path.parent().is_some_and(Path::is_dir))
        {
            world.out.talk(format!("note: {} is not there yet: the first run makes it", path.display()));
            continue;
        }
        if let Err(error) = answers(queue, &config.name, world).await {
            unreachable = true;
            problems.push(error);
        }
    }
    match world.out.form() {
        Form::Json => machine(&config).for_each(|line| world.out.json(&line)),
        _ => people(&config).iter().for_each(|line| world.out.line(line)),
    }
    notes.0.iter().for_each(|note| world.out.talk(format!("note: {note}")));
    match (problems.len(), unreachable) {
        (0, _) => Ok(Exit::Ok),
        // Only the backend: the configuration itself may be right.
        (1, true) => Err(Failed::new(Exit::Unreachable, problems.join("\n"))),
        _ => Err(Failed::new(Exit::Usage, problems.join("\n"))),
    }
}

/// Opens a queue and asks it something: a backend that is out of reach opens all the same.
async fn answers(queue: &QueueConfig, drone: &str, world: &World) -> Result<(), String> {
    let opened = open(std::slice::from_ref(queue), drone, &world.backends).await;
    let opened = opened.map_err(|error| error.to_string())?;
    let Some(backend) = opened.first() else { return Ok(()) };
    let told = |why: String| format!("{}: {}", queue.url, queue.url.redact(&why));
    match tokio::time::timeout(PATIENCE, backend.queues()).await {
        Ok(answer) => answer.map(drop).map_err(|error| told(error.to_string())),
        Err(_) => Err(told(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

/// What is wrong with a worker's program.
pub(super) fn program(worker: &WorkerConfig) -> Option<String> {
    let found = worker.launch.program(worker.run.argv()).map(|_| ());
    let folder = worker.launch.cwd.as_ref().filter(|cwd| !cwd.is_dir());
    let why = match folder {
        Some(cwd) => Err(format!("no folder {} to run in: make it, or change `cwd`", cwd.display())),
        None => found,
    };
    why.err().map(|why| format!("[workers.{}]: {why}", worker.name))
}

fn people(config: &Config) -> Vec<String> {
    let mut lines = vec![format!("drone {}, local queue {}", config.name, config.local.path.display())];
    lines.extend(config.queues.iter().map(|queue| format!("queue {} of {}", queue.name, queue.url)));
    lines.extend(config.workers.iter().map(|worker| {
        let types: Vec<&str> = worker.types.iter().map(skep_queue::TaskType::as_str).collect();
        let (processes, prefetch) = (worker.run.processes(), worker.settings.prefetch);
        let (types, argv) = (types.join(", "), worker.run.argv().join(" "));
        format!(
            "worker {}: types {types}; processes {processes}; prefetch {prefetch}; runs {argv}",
            worker.name
        )
    }));
    lines
}

fn machine(config: &Config) -> impl Iterator<Item = serde_json::Value> {
    let drone = json!({ "drone": config.name, "local": config.local.path });
    let queues = config.queues.iter().map(|queue| json!({ "queue": queue.name, "url": queue.url }));
    let workers = config.workers.iter().map(|worker| {
        json!({
            "worker": worker.name,
            "types": worker.types,
            "processes": worker.run.processes(),
            "prefetch": worker.settings.prefetch,
            "argv": worker.run.argv(),
        })
    });
    std::iter::once(drone).chain(queues).chain(workers)
}
