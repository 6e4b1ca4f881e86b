//! `skep drone run`

use std::path::PathBuf;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{FileArgs, check};
use crate::{
    cli::{Exit, Failed, World},
    config::{BuildError, RunConfig},
    drone::{Drone, Error, Report, Stopper},
    log,
    worker::leftovers,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    file: FileArgs,
    /// Leave when nothing is left to do for this drone's types.
    #[arg(long)]
    until_empty: bool,
}

pub(crate) async fn run(args: Args, world: &World) -> Result<Exit, Failed> {
    let loaded = args.file.load(world)?;
    log::init(&loaded.config.log).map_err(|error| Failed::new(Exit::Usage, error))?;
    for note in &loaded.notes.0 {
        tracing::warn!("{note}");
    }
    let mut config = loaded.config;
    // A process that stays says it when it cannot start; this one would say it at its first task.
    let exec = config.workers.iter().filter(|worker| matches!(worker.run, RunConfig::Exec(_)));
    exec.filter_map(check::program).for_each(|why| tracing::warn!("{why}"));
    config.life.until_empty = args.until_empty;
    let file = config.local.path.clone();
    // Before the first process: a stop that comes while they start is a stop, too.
    let signals = Signals::new().map_err(|error| Failed::new(Exit::Failed, error.to_string()))?;
    if let Err(error) = leftovers::adopt_orphans() {
        tracing::warn!(%error, "what workers leave behind cannot be reaped");
    }
    let drone = config.build(&world.backends).await.map_err(failed)?;
    let counts = drone.counts();
    let left = until_stopped(drone, signals).await?;
    for (queue, counts) in counts {
        let asked = serde_json::to_string(&counts.snapshot()).unwrap_or_default();
        tracing::info!(queue, asked, "what the queue was asked");
    }
    tracing::info!(unreported = left.unreported, interrupted = left.interrupted, "drone stopped");
    report(left, file)
}

struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// The first signal asks, the second insists.
async fn until_stopped(drone: Drone, mut signals: Signals) -> Result<Report, Failed> {
    let stopper = Stopper::default();
    let run = drone.run(stopper.clone());
    tokio::pin!(run);
    loop {
        tokio::select! {
            report = &mut run => return report.map_err(|error| failed(error.into())),
            () = signals.next() => stopper.stop(),
        }
    }
}

/// Exit code 0 means that the queue knows of everything that was done, and that nothing was cut short.
fn report(report: Report, file: PathBuf) -> Result<Exit, Failed> {
    let Report { unreported, interrupted } = report;
    let mut left = Vec::new();
    if unreported > 0 {
        let file = file.display();
        left.push(format!(
            "outcomes the queue has not taken: {unreported}; they are in {file}, and are reported when a drone \
             starts with it"
        ));
    }
    if interrupted > 0 {
        left.push(format!(
            "runs cut short: {interrupted}; their tasks are the queue's again, and will be rerun"
        ));
    }
    if left.is_empty() { Ok(Exit::Ok) } else { Err(Failed::new(Exit::Failed, left.join("\n"))) }
}

pub(super) fn failed(error: BuildError) -> Failed {
    let exit = match &error {
        BuildError::Backend { .. } => Exit::Unreachable,
        BuildError::Drone(Error::Config(_)) => Exit::Usage,
        BuildError::Drone(_) => Exit::Failed,
    };
    Failed::new(exit, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clean_end_is_ok() {
        let end = |unreported, interrupted| {
            let ended = report(Report { unreported, interrupted }, "/x.db".into());
            ended.map_err(|failed| format!("{failed:?}"))
        };
        assert_eq!(end(0, 0), Ok(Exit::Ok));
        assert!(end(2, 0).unwrap_err().contains("has not taken: 2; they are in /x.db"));
        assert!(end(0, 3).unwrap_err().contains("cut short: 3"));
    }
}
