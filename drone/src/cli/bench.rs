//! `skep bench`: figures of this machine, one line each.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use clap::ValueEnum;
use skep_queue::clock::{SystemClock, SystemRandom};

use super::{Exit, Failed, World};
use crate::bench::{Bench, Config, Figure, Workload};

/// Measures a backend on this machine.
///
/// Without --backend it makes a new embedded queue in the working folder, and removes it afterwards.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure; everything when not said.
    workloads: Vec<Workload>,
    /// Tasks of a bulk workload.
    #[arg(long, default_value_t = 200_000)]
    tasks: usize,
    /// Bytes of a payload.
    #[arg(long, default_value_t = 100)]
    payload: usize,
    /// Hands of the drone.
    #[arg(long, default_value_t = 256)]
    hands: usize,
    /// How long terminal tasks are kept, as a queue's `retention`.
    #[arg(long, default_value = "24h", value_parser = crate::duration::parse)]
    retention: Duration,
    /// How often each is measured, in turns.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
}

pub(crate) async fn run(args: Args, world: &World) -> Result<Exit, Failed> {
    let failed = |error: io::Error| Failed::new(Exit::Failed, error.to_string());
    let scratch = tempfile::Builder::new().prefix("skep-bench-").tempdir_in(".").map_err(failed)?;
    let config = Config {
        tasks: args.tasks.max(1),
        payload: args.payload,
        hands: args.hands.max(1),
        retention: args.retention,
        folder: scratch.path().to_owned(),
    };
    let workloads = if args.workloads.is_empty() { Workload::value_variants() } else { &args.workloads[..] };
    for _ in 0..args.rounds.max(1) {
        for (n, workload) in workloads.iter().enumerate() {
            let bench = open(world, &config, n).await?;
            let figure = bench.run(*workload).await?;
            print(world, &figure).map_err(failed)?;
        }
    }
    Ok(Exit::Ok)
}

/// A queue of its own for each workload, unless the user named one.
async fn open(world: &World, config: &Config, n: usize) -> Result<Bench, Failed> {
    let own: PathBuf = config.folder.join(format!("queue-{n}.db"));
    let url = world.common.backend.clone().unwrap_or_else(|| format!("sqlite:{}", own.display()));
    let backend = world.backends.open(&url).await;
    let backend =
        backend.map_err(|why| Failed::new(Exit::Unreachable, crate::config::Url::new(&url).redact(&why)))?;
    let label = url.split(':').next().unwrap_or_default().to_owned();
    Ok(Bench::new(label, backend, config.clone(), Arc::new(SystemClock), Arc::new(SystemRandom)))
}

fn print(world: &World, figure: &Figure) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if world.common.json {
        let mut line = serde_json::to_value(figure)?;
        if let Some(more) = line.as_object_mut().and_then(|line| line.remove("more")) {
            line.as_object_mut()
                .into_iter()
                .for_each(|line| line.extend(more.as_object().cloned().unwrap_or_default()));
        }
        return writeln!(out, "{line}");
    }
    let Figure { workload, backend, tasks, seconds, rate, more } = figure;
    let more: Vec<String> = more.iter().map(|(key, value)| format!("{key}={}", short(value))).collect();
    writeln!(
        out,
        "{workload:<13} {backend:<8} {tasks:>8} tasks {seconds:>8.3} s {rate:>10.0} /s  {}",
        more.join(" ")
    )
}

fn short(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Number(number) if number.is_f64() => {
            format!("{:.3}", number.as_f64().unwrap_or(0.0))
        }
        serde_json::Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}
