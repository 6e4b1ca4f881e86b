//! `skep bench`: figures of this machine, one line each.

mod plot;

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use clap::ValueEnum;
use skep_queue::{
    Meter,
    clock::{SystemClock, SystemRandom},
};

use super::{Exit, Failed, World};
use crate::{
    backend::Opening,
    bench::{Bench, Config, Figure, Stretch, Workload},
};

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
    /// Connections of `submit` and `flood` [default: 1, and 64].
    #[arg(long)]
    clients: Option<usize>,
    /// The capacity of `flood` [default: 12].
    #[arg(long)]
    capacity: Option<u64>,
    /// How long each load of `flood` lasts.
    #[arg(long, default_value = "5s", value_parser = crate::duration::parse)]
    time: Duration,
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
        clients: args.clients,
        capacity: args.capacity,
        time: args.time.max(Duration::from_millis(1)),
        folder: scratch.path().to_owned(),
    };
    let named = world.common.backend.clone();
    let meter =
        named.as_deref().map(|url| world.backends.meter(url)).transpose().map_err(unusable)?.flatten();
    let fits = |workload: &&Workload| {
        if args.workloads.is_empty() { meter.is_some() || !workload.is_of_servers() } else { true }
    };
    let workloads = if args.workloads.is_empty() { Workload::value_variants() } else { &args.workloads[..] };
    for _ in 0..args.rounds.max(1) {
        for (n, workload) in workloads.iter().filter(fits).enumerate() {
            // A queue of its own for each workload, unless the user named one.
            let own: PathBuf = config.folder.join(format!("queue-{n}.db"));
            let url = named.clone().unwrap_or_else(|| format!("sqlite:{}", own.display()));
            let mut bench = open(world, &config, url, meter.clone()).await?;
            let figure = bench.run(*workload).await?;
            print(world, &figure).map_err(failed)?;
        }
    }
    Ok(Exit::Ok)
}

fn unusable(why: String) -> Failed {
    Failed::new(Exit::Unreachable, why)
}

async fn open(
    world: &World,
    config: &Config,
    url: String,
    meter: Option<Arc<dyn Meter>>,
) -> Result<Bench, Failed> {
    let label = url.split(':').next().unwrap_or_default().to_owned();
    let (backends, config) = (world.backends.clone(), config.clone());
    let (others, place) = (backends.clone(), url.clone());
    let redacted = crate::config::Url::new(&url);
    let open = move || -> Opening {
        let (backends, url) = (backends.clone(), url.clone());
        Box::pin(async move { backends.open(&url).await })
    };
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let bench = Bench::new(label, Box::new(open), meter, config, clock, random).await;
    let bench = bench.map_err(|why| unusable(redacted.redact(&why)))?;
    Ok(bench.calls(Box::new(move || others.manager(&place))))
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
    let stretches = more.get("stretches").cloned().map(serde_json::from_value::<Vec<Stretch>>);
    let more = more.iter().filter(|(_, value)| !value.is_array());
    let more: Vec<String> = more.map(|(key, value)| format!("{key}={}", short(value))).collect();
    writeln!(
        out,
        "{workload:<13} {backend:<8} {tasks:>8} tasks {seconds:>8.3} s {rate:>10.0} /s  {}",
        more.join(" ")
    )?;
    plot::lines(&stretches.transpose()?.unwrap_or_default())
        .iter()
        .try_for_each(|line| writeln!(out, "{line}"))
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
