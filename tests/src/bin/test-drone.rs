//! A real drone for tests to torment: made by a plan, cut off on request, and honest about how it ended.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its answers are on stdout, its log on stderr"
)]

use std::{io::BufRead, process::ExitCode, sync::Arc};

use skep_drone::{Drone, Life, LocalConfig, Report, Stopper, log};
use skep_queue::{
    QueueName,
    testing::{Faults, Flaky},
};
use skep_tests::{
    backend,
    journal::Journal,
    plan::{self, Plan, Said},
    witness::Witness,
    work,
};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    match start() {
        Ok(Report { unreported, interrupted }) => {
            say(Said::Ended { unreported, interrupted });
            if unreported + interrupted == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}

fn say(said: Said) {
    println!("{}", serde_json::to_string(&said).unwrap_or_default());
}

fn start() -> Result<Report, Box<dyn std::error::Error>> {
    let plan: Plan = serde_json::from_str(&std::env::var(plan::VARIABLE)?)?;
    log::init(&log::Config::default())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(plan))
}

async fn run(plan: Plan) -> Result<Report, Box<dyn std::error::Error>> {
    let queue = backend::open(&plan.queue).await?;
    let witness = Witness::new(queue, Journal::open(&plan.journal)?, || say(Said::Ready));
    let faults = if plan.faults == 0 { Faults::default() } else { Faults::one_in(plan.faults) };
    let flaky = Arc::new(Flaky::new(Arc::new(witness), plan.seed, faults));
    let switch = Arc::clone(&flaky);
    std::thread::spawn(move || obey(&switch));
    let Plan { ttl, beat, grace, parting, .. } = plan;
    let local = LocalConfig { path: plan.local.clone(), ballast: plan.ballast, ..LocalConfig::default() };
    let builder = Drone::builder()
        .name(plan.name.clone())
        .queue("queue", QueueName::default(), flaky)
        .local(local)
        .life(Life { ttl, beat, grace, parting, until_empty: false });
    let drone = work::workers(builder, &plan)?.build()?;
    until_stopped(drone).await
}

/// Cuts the drone off from its queue, and heals the cut, as stdin says.
fn obey(switch: &Flaky<Witness>) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let down = line.trim() == "down";
        switch.down(down);
        say(if down { Said::Down } else { Said::Up });
    }
}

async fn until_stopped(drone: Drone) -> Result<Report, Box<dyn std::error::Error>> {
    let mut term = signal(SignalKind::terminate())?;
    let stopper = Stopper::default();
    let run = drone.run(stopper.clone());
    tokio::pin!(run);
    loop {
        tokio::select! {
            report = &mut run => return Ok(report?),
            _ = term.recv() => stopper.stop(),
        }
    }
}
