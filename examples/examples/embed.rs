//! A drone in a program: typed handlers, a follow-up, a chain, the ways not to succeed, a cancel.
#![expect(clippy::print_stdout, reason = "it shows what it does")]

use std::{error::Error, sync::Arc, sync::atomic, time::Duration};

use serde::{Deserialize, Serialize};
use skep_drone::{Client, Context, Drone, HandlerError, NewTask, Settings, Stopper, backend::Backends};
use skep_queue::{Backend, QueueName, admin::Act, clock::SystemClock, clock::SystemRandom};
use tokio::sync::Semaphore;

const LATER: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(30);
static MAILED: Semaphore = Semaphore::const_new(0);
static WATCHING: Semaphore = Semaphore::const_new(0);
static OPEN: atomic::AtomicBool = atomic::AtomicBool::new(false);

#[derive(Serialize, Deserialize)]
struct Order(String, u32);

async fn order(order: Order, context: Context) -> Result<(), HandlerError> {
    match (order.0.as_str(), context.task().attempt) {
        ("gold", _) => return Err(HandlerError::never("not for sale")),
        ("tea", 1) => {
            return Err(HandlerError::retry_after("sold out until later", LATER));
        }
        _ => {}
    }
    context.submit("mail".parse()?, &order.0)?; // a task of its own, once this one completes
    Ok(context.next("bill".parse()?, &order)?) // goes on here: the bill is this task's result
}

async fn mail(item: String, _: Context) -> Result<(), HandlerError> {
    println!("mail about {item}");
    MAILED.add_permits(1);
    Ok(())
}

async fn lunch((): (), _: Context) -> Result<&'static str, HandlerError> {
    if OPEN.swap(true, atomic::Ordering::Relaxed) { Ok("soup") } else { Err(HandlerError::snooze(LATER)) }
}

async fn watch((): (), context: Context) -> Result<(), HandlerError> {
    WATCHING.add_permits(1);
    Err(HandlerError::failed(format!("told to stop: {:?}", context.stopped().await)))
}

async fn visit(client: Client, queue: Arc<dyn Backend>) -> Result<(), Box<dyn Error>> {
    for (item, cents) in [("cake", 350), ("tea", 275), ("gold", 9)] {
        match client.call(NewTask::new("order", &Order(item.into(), cents))?, LONG).await {
            Ok(bill) => println!("bill: {}", bill.unwrap_or_default()),
            Err(error) => println!("no {item}: {error}"),
        }
    }
    println!("lunch: {}", client.call(NewTask::new("lunch", &())?, LONG).await?.unwrap_or_default());
    let watch = client.submit(NewTask::new("watch", &())?).await?.id;
    let _runs = WATCHING.acquire().await?;
    queue.act(Act::Cancel, vec![watch]).await?;
    println!("watch: {}", client.wait(watch, LONG).await?.state);
    let _both = MAILED.acquire_many(2).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let queue = Backends::builtin().open(&format!("sqlite:{}/q.db", folder.path().display())).await?;
    let client = Client::new(queue.clone(), Arc::new(SystemClock), Arc::new(SystemRandom));
    let (at, local) = (QueueName::default(), folder.path().join("local.db"));
    let drone = Drone::builder().queue("main", at, queue.clone()).local_path(local);
    let drone = drone.handler("order".parse()?, 2, Settings::default(), order);
    let drone = drone.handler("bill".parse()?, 2, Settings::default(), |Order(item, cents), _| async move {
        Ok::<_, HandlerError>(format!("{item}, {}.{:02} EUR", cents / 100, cents % 100))
    });
    let drone = drone.handler("mail".parse()?, 1, Settings::default(), mail);
    let drone = drone.handler("lunch".parse()?, 1, Settings::default(), lunch);
    let drone = drone.handler("watch".parse()?, 1, Settings::default(), watch).build()?;
    let stopper = Stopper::default();
    let program = async { (visit(client, queue).await, stopper.stop()).0 };
    tokio::try_join!(program, async { Ok(drone.run(stopper.clone()).await?) }).map(drop)
}
