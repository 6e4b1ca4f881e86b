//! A manager for tests to torment: made by a plan, ended by a signal.

use std::{process::ExitCode, sync::Arc};

use skep_drone::log;
use skep_manager::{
    Server,
    server::{Address, Config, Listener},
};
use skep_queue::clock::SystemClock;
use skep_tests::{
    backend,
    plan::{self, Host},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            ExitCode::from(3)
        }
    }
}

#[expect(clippy::print_stderr, reason = "errors are talk")]
fn tell(error: &Failure) {
    eprintln!("error: {error}");
}

fn start() -> Result<(), Failure> {
    let host: Host = serde_json::from_str(&std::env::var(plan::VARIABLE)?)?;
    log::init(&log::Config::default())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(host))
}

async fn run(host: Host) -> Result<(), Failure> {
    let store = backend::open_for_manager(&host.store).await?;
    let config = Config { heartbeat: host.heartbeat, ..Config::default() };
    let server = Server::new(store, config, Arc::new(SystemClock));
    let port = host.port.map(|(at, ring)| Address::Tcp { at, ring });
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    for address in [Some(Address::Unix(host.socket)), port].into_iter().flatten() {
        tasks.spawn(Arc::clone(&server).serve(Listener::bind(&address)?, stop.clone()));
    }
    signal(SignalKind::terminate())?.recv().await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}
