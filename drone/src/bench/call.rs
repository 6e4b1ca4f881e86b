//! Round trips: a task submitted, run by a drone, and its result back with whoever asked.

use std::{io::Write, sync::Arc, time::Duration};

use skep_queue::{Backend, Block, Clock, Error, Random, Submitted, admin::State};

use super::{
    Bench, Figure, Load,
    latency::{CALM_DISK, SAMPLES, part},
    queue, refused, task_type,
};
use crate::{
    Context, HandlerError,
    backend::manager::{Manager, wire::End},
    client::{self, Client, NewTask},
};

/// How long one round trip may take.
const PATIENCE: Duration = Duration::from_secs(60);

impl Bench {
    /// One caller, one task at a time: one call after the other, then with everything at rest before each.
    pub(super) async fn call(&self) -> Result<Figure, Error> {
        let echo = |load: Load, _: Context| async move { Ok::<_, HandlerError>(load.n) };
        let (mut running, mut rested) = (Trips::default(), Trips::default());
        let begun = self.clock.elapsed();
        let measure = async {
            let caller = self.caller().await?;
            running = self.trips(&caller, None).await?;
            rested = self.trips(&caller, Some(CALM_DISK)).await?;
            Ok(())
        };
        self.beside_a_drone(self.config.hands, echo, measure).await?;
        let figure = self.figure("call", 2 * SAMPLES, self.clock.elapsed() - begun);
        let (p50, sync) = (part(&mut running.calls, 0.5), part(&mut running.syncs, 0.5));
        let figure = figure.with("p50_ms", p50).with("p99_ms", part(&mut running.calls, 0.99));
        let figure = figure.with("max_ms", part(&mut running.calls, 1.0)).with("fsync_p50_ms", sync);
        let figure = figure.with("bar_ms", 1.0 + sync).with("idle_p50_ms", part(&mut rested.calls, 0.5));
        let figure = figure.with("idle_p99_ms", part(&mut rested.calls, 0.99));
        Ok(figure.with("idle_fsync_p50_ms", part(&mut rested.syncs, 0.5)))
    }

    /// Calls, and beside each the yardstick in the same state: a disk that rested is slower than one that is busy, and
    /// so are processors.
    async fn trips(&self, caller: &Caller, rest: Option<Duration>) -> Result<Trips, Error> {
        let mut trips = Trips::default();
        let mut yardstick = tempfile::tempfile_in(&self.config.folder).map_err(refused)?;
        let pause = || async move {
            if let Some(rest) = rest {
                tokio::time::sleep(rest).await;
            }
        };
        for n in 0..SAMPLES {
            let payload = Load::payload(n, self.config.payload);
            let before = self.clock.elapsed();
            caller.call(&payload).await?;
            trips.calls.push((self.clock.elapsed() - before).as_secs_f64() * 1000.0);
            pause().await;
            let before = self.clock.elapsed();
            yardstick.write_all(&[0; 4096]).and_then(|()| yardstick.sync_data()).map_err(refused)?;
            trips.syncs.push((self.clock.elapsed() - before).as_secs_f64() * 1000.0);
            pause().await;
        }
        Ok(trips)
    }

    /// Somebody else than the drone, over a connection of his own.
    pub(super) async fn caller(&self) -> Result<Caller, Error> {
        let way = match (self.calls)().map_err(refused)? {
            Some(manager) => {
                manager.ping().await?;
                Way::Manager(manager)
            }
            None => {
                let backend = self.another().await?;
                Way::Client(Client::new(backend, Arc::clone(&self.clock), Arc::clone(&self.random)))
            }
        };
        Ok(Caller { way, clock: Arc::clone(&self.clock), random: Arc::clone(&self.random) })
    }

    /// One connection more.
    pub(super) async fn another(&self) -> Result<Arc<dyn Backend>, Error> {
        (self.open)().await.map_err(refused)
    }
}

/// What took how long, in milliseconds.
#[derive(Default)]
struct Trips {
    calls: Vec<f64>,
    syncs: Vec<f64>,
}

/// Whoever asks for results.
pub(super) struct Caller {
    way: Way,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// How: a manager says when the end has come, any other queue is asked again and again.
enum Way {
    Manager(Arc<Manager>),
    Client(Client),
}

impl Caller {
    /// Submits a task, and waits until it has ended well. False when it was refused.
    pub(super) async fn call(&self, payload: &str) -> Result<bool, Error> {
        match &self.way {
            Way::Manager(manager) => {
                let block =
                    Block { queue: queue(), ..Block::one(task_type(), payload, &*self.clock, &*self.random) };
                match manager.call(block, PATIENCE, |_| {}).await? {
                    (Submitted::Rejected(_), _) => Ok(false),
                    (Submitted::Accepted, End::Over { state: State::Completed, .. }) => Ok(true),
                    other => Err(refused(format!("a call came to {other:?}"))),
                }
            }
            Way::Client(client) => {
                let task = NewTask::json(task_type(), payload.to_owned()).map_err(refused)?.queue(queue());
                match client.call(task, PATIENCE).await {
                    Ok(_) => Ok(true),
                    Err(client::Error::Rejected(_)) => Ok(false),
                    Err(error) => Err(refused(error)),
                }
            }
        }
    }
}
