//! A backend that gives work away over a manager: it queues, calls, collects, hears how it goes, and does the work
//! itself when the system is full. `Client` needs neither a database driver nor the drone; this program starts
//! both only to have somebody to talk to.
#![expect(clippy::print_stdout, reason = "it shows what it does")]

use std::{error::Error, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use skep_drone::{Context, Drone, HandlerError, Settings, Stopper, backend::Backends};
use skep_manager::{
    Client, Server,
    client::caller,
    server::{Address, Config, Listener},
};
use skep_queue::{
    QueueName,
    admin::{Admin, Setting},
    clock::SystemClock,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

type Failure = Box<dyn Error>;

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Serialize, Deserialize)]
struct Sum {
    of: Vec<i64>,
}

async fn sum(job: Sum, _: Context) -> Result<i64, HandlerError> {
    if job.of.is_empty() { Err(HandlerError::never("nothing to sum")) } else { Ok(job.of.iter().sum()) }
}

/// What the web server of a shop would do.
async fn work(client: &Client) -> Result<(), Failure> {
    let total: i64 = client.call("sum", &Sum { of: vec![1, 2, 3] }, PATIENCE).priority("high").await?;
    println!("called: {total}");
    let later = client.queue("sum", &Sum { of: vec![40, 2] }).priority("low").await?;
    println!("collected: {}", client.collect::<i64>(later, PATIENCE).await?);
    match client.call::<i64>("sum", &Sum { of: vec![] }, PATIENCE).await {
        Err(caller::Error::Failed { error, .. }) => println!("failed: {error}"),
        other => println!("failed: {other:?}"),
    }
    // Nobody serves it: it waits.
    match client.call::<i64>("nobody", &(), Duration::from_millis(50)).await {
        Err(caller::Error::TimedOut { .. }) => println!("timed out, and may be collected later"),
        other => println!("timed out: {other:?}"),
    }
    client.manager().set(QueueName::default(), None, Setting::Capacity(Some(1))).await?;
    match client.queue("sum", &Sum { of: vec![1] }).await {
        Err(caller::Error::Rejected(why)) => println!("refused: {} of {} tasks", why.depth, why.limit),
        other => println!("refused: {other:?}"),
    }
    let job = Sum { of: vec![5, 6] };
    let here = async { job.of.iter().sum() };
    println!("done here instead: {}", client.call_or::<i64>("sum", &job, PATIENCE, here).await?);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let store = Backends::builtin().open(&format!("sqlite:{}/q.db", folder.path().display())).await?;
    let (tasks, stop, stopper) = (TaskTracker::new(), CancellationToken::new(), Stopper::default());

    // What `skep manager run` does.
    let server = Server::new(store, Config::default(), Arc::new(SystemClock));
    let socket = folder.path().join("skep.sock");
    tasks.spawn(server.serve(Listener::bind(&Address::Unix(socket.clone()))?, stop.clone()));
    let url = format!("unix:{}", socket.display());

    // What `skep drone run` does, on this or any other machine.
    let drone = Drone::builder().queue("main", QueueName::default(), Backends::builtin().open(&url).await?);
    let drone = drone.local_path(folder.path().join("local.db"));
    let drone = drone.handler("sum".parse()?, 4, Settings::default(), sum).build()?;
    let running = tasks.spawn(drone.run(stopper.clone()));

    let client = Client::connect(&url).await?;
    let worked = work(&client).await;
    stopper.stop();
    running.await??;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    worked
}
