//! Fair hand-out: two drones of one manager, one of which takes three times as long for a task.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use skep_drone::{Context, Drone, HandlerError, Settings, Stopper, backend::Backends};
use skep_manager::{
    Manager, Server,
    client::Place,
    server::{Address, Config, Listener},
};
use skep_queue::{
    Backend, Block, BlockId, QueueName, Submission, Submitted, TaskType,
    block::pack,
    clock::{SystemClock, SystemRandom},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::wait::{BOUND, eventually, short_or_long, until};

const HANDS: usize = 2;

/// A drone under way, and how much it has done.
struct Body {
    done: Arc<AtomicUsize>,
    stopper: Stopper,
}

fn kind() -> TaskType {
    "work".parse().unwrap()
}

fn manager(socket: &Path) -> Arc<dyn Backend> {
    let places = vec![Place::Unix(socket.to_owned())];
    Arc::new(Manager::new(places, Arc::new(SystemClock), Arc::new(SystemRandom)))
}

/// Starts a drone whose tasks take so long.
fn drone(folder: &Path, run: Duration, prefetch: usize, tasks: &TaskTracker) -> Body {
    let done = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&done);
    let work = move |(): (), _: Context| {
        let counted = Arc::clone(&counted);
        async move {
            tokio::time::sleep(run).await;
            counted.fetch_add(1, Relaxed);
            Ok::<_, HandlerError>(())
        }
    };
    let name = format!("{}ms", run.as_millis());
    let drone = Drone::builder()
        .name(&name)
        .queue("main", QueueName::default(), manager(&folder.join("skep.sock")))
        .local_path(folder.join(name))
        .handler(kind(), HANDS, Settings { prefetch, ..Settings::default() }, work)
        .build()
        .unwrap();
    let stopper = Stopper::default();
    let stop = stopper.clone();
    tasks.spawn(async move { drone.run(stop).await.unwrap() });
    Body { done, stopper }
}

/// How much the fast one and the slow one did of a backlog that came at once.
async fn divided(prefetch: usize, backlog: usize) -> [usize; 2] {
    let folder = tempfile::tempdir().unwrap();
    let store = Backends::builtin().open(&format!("sqlite:{}/q.db", folder.path().display())).await.unwrap();
    let server = Server::new(store, Config::default(), Arc::new(SystemClock));
    let listener = Listener::bind(&Address::Unix(folder.path().join("skep.sock"))).unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(server.serve(listener, stop.clone()));

    let bodies = [20, 60].map(|ms| drone(folder.path(), Duration::from_millis(ms), prefetch, &tasks));
    let client = manager(&folder.path().join("skep.sock"));
    eventually("both drones are there", BOUND, async || {
        client.drones().await.is_ok_and(|drones| drones.len() == 2).then_some(())
    })
    .await;
    let like = Block::one(kind(), "null", &SystemClock, &SystemRandom);
    let blocks = pack(&like, &vec!["null"; backlog], || BlockId::new(&SystemClock, &SystemRandom));
    let answers = client.submit(Submission::whole(blocks)).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Submitted::Accepted));

    let done = || [0, 1].map(|of: usize| bodies[of].done.load(Relaxed));
    until("all is done", || done().iter().sum::<usize>() == backlog).await;
    let divided = done();
    bodies.iter().for_each(|body| body.stopper.stop());
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    divided
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_three_times_as_fast_gets_three_times_the_work_whatever_the_prefetch() {
    let backlog = short_or_long(300, 3_000);
    for prefetch in [1, 15, 200] {
        let [fast, slow] = divided(prefetch, backlog).await;
        let ratio = fast as f64 / slow as f64;
        eprintln!("prefetch {prefetch}: {fast} to {slow}, {ratio:.2} times");
        assert!((2.0..4.5).contains(&ratio), "prefetch {prefetch}: {fast} to {slow}");
    }
}
