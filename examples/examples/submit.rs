//! The client library: one task, many, one at a time, a full queue, and results by id.
#![expect(clippy::print_stdout, reason = "it shows what it does")]

use std::{error::Error, sync::Arc};

use skep_drone::{
    Client, Context, Drone, HandlerError, Life, NewTask, Settings, Stopper, backend::Backends, client,
};
use skep_queue::{
    QueueName,
    admin::Setting,
    block::OnConflict,
    clock::{SystemClock, SystemRandom},
};

async fn square(n: u64, _: Context) -> Result<u64, HandlerError> {
    Ok(n * n)
}

/// Of the tasks with a unique key, one is in the queue at a time.
async fn one_at_a_time(client: &Client) -> Result<(), Box<dyn Error>> {
    let nightly = NewTask::new("square", &7)?.unique("nightly", OnConflict::Reject);
    let holder = client.submit(nightly.clone()).await?;
    match client.submit(nightly).await {
        Err(client::Error::Conflict { holder: by }) => {
            println!("second nightly: conflict, {}", by == holder.id)
        }
        other => println!("second nightly: {other:?}"),
    }
    let nightly = NewTask::new("square", &8)?.unique("nightly", OnConflict::Skip);
    let skipped = client.submit(nightly).await?;
    println!("third nightly: {:?}, {}", skipped.landed, skipped.id == holder.id);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let queue = Backends::builtin().open(&format!("sqlite:{}/q.db", folder.path().display())).await?;
    let client = Client::new(queue.clone(), Arc::new(SystemClock), Arc::new(SystemRandom));

    let one = client.submit(NewTask::new("square", &12)?).await?;
    println!("one: {:?}", one.landed);
    // Whoever does not know whether a submit arrived says it again, with its id.
    let again = client.submit(NewTask::new("square", &12)?.id(one.id)).await?;
    println!("the same again: {:?}", again.landed);

    // `again` makes tasks that differ only in their payload: up to 128 of them travel as one.
    let first = NewTask::new("square", &0)?;
    let many: Vec<NewTask> = (0..1000).map(|n| first.again(n.to_string())).collect::<Result<_, _>>()?;
    let receipts = client.submit_many(&many, false).await?;
    println!("many: {} accepted", receipts.iter().flatten().count());

    one_at_a_time(&client).await?;

    queue.set(QueueName::default(), None, Setting::Capacity(Some(1005))).await?;
    match client.submit_many(&many, false).await?.into_iter().next() {
        Some(Err(client::Error::Rejected(why))) => println!("a thousand more: none, {why}"),
        other => println!("a thousand more: {other:?}"),
    }
    let some = client.submit_many(&many, true).await?;
    println!("as many as fit: {}", some.iter().flatten().count());

    println!("before: {}", client.result(one.id).await?.map_or("gone", |task| task.state.as_str()));
    let drone = Drone::builder().queue("main", QueueName::default(), queue);
    let drone = drone.local_path(folder.path().join("local.db"));
    let drone = drone.life(Life { until_empty: true, ..Life::default() });
    let drone = drone.handler("square".parse()?, 4, Settings::default(), square).build()?;
    drone.run(Stopper::default()).await?;
    let task = client.result(one.id).await?.ok_or("it is kept for a day")?;
    println!("after: {}, {}", task.state, task.result.unwrap_or_default());
    Ok(())
}
