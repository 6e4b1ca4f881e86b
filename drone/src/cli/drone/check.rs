//! `skep drone check`

use std::fmt::Write;

use serde_json::json;

use super::{FileArgs, say};
use crate::{
    cli::{Exit, Failed, World},
    config::{Config, Loaded, WorkerConfig, open},
};

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
        if let Err(error) = open(std::slice::from_ref(queue), &world.backends).await {
            unreachable = true;
            problems.push(error.to_string());
        }
    }
    say(&if world.common.json { machine(&config) } else { people(&config) })?;
    notes.0.iter().try_for_each(|note| note_line(world, &note.to_string()))?;
    match (problems.len(), unreachable) {
        (0, _) => Ok(Exit::Ok),
        // Only the backend: the configuration itself may be right.
        (1, true) => Err(Failed::new(Exit::Unreachable, problems.join("\n"))),
        _ => Err(Failed::new(Exit::Usage, problems.join("\n"))),
    }
}

fn note_line(world: &World, note: &str) -> Result<(), Failed> {
    let line = if world.common.json { json!({ "note": note }).to_string() } else { format!("note: {note}") };
    say(&format!("{line}\n"))
}

/// What is wrong with a worker's program.
fn program(worker: &WorkerConfig) -> Option<String> {
    let found = worker.launch.program(worker.run.argv()).map(|_| ());
    let folder = worker.launch.cwd.as_ref().filter(|cwd| !cwd.is_dir());
    let why = match folder {
        Some(cwd) => Err(format!("no folder {} to run in: make it, or change `cwd`", cwd.display())),
        None => found,
    };
    why.err().map(|why| format!("[workers.{}]: {why}", worker.name))
}

fn people(config: &Config) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "drone {}, local queue {}", config.name, config.local.path.display());
    for queue in &config.queues {
        let _ = writeln!(text, "queue {} of {}", queue.name, queue.url);
    }
    for worker in &config.workers {
        let types: Vec<&str> = worker.types.iter().map(skep_queue::TaskType::as_str).collect();
        let (processes, prefetch) = (worker.run.processes(), worker.settings.prefetch);
        let _ = writeln!(
            text,
            "worker {}: types {}; processes {processes}; prefetch {prefetch}; runs {}",
            worker.name,
            types.join(", "),
            worker.run.argv().join(" ")
        );
    }
    text
}

fn machine(config: &Config) -> String {
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
    let lines = std::iter::once(drone).chain(queues).chain(workers);
    lines.map(|line| format!("{line}\n")).collect()
}
