//! What a capacity is for: clients that want more than the drones can do, and what becomes of those that are
//! taken.

use std::time::Duration;

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use skep_queue::{Error, admin::Setting};

use super::{Bench, Figure, Load, call::Caller, latency::part, queue, refused};
use crate::{Context, HandlerError};

/// What is offered, of what the drone can do.
const LOADS: [f64; 4] = [0.5, 1.0, 2.0, 3.0];
/// Clients of a flood, unless said.
const CLIENTS: usize = 64;
/// Hands of its drone, and how long each has to do with a task.
const HANDS: usize = 8;
const WORK: Duration = Duration::from_millis(20);
/// The capacity, unless said: every hand has a task, and half of them another that waits.
const CAPACITY: u64 = 12;

/// One load, and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stretch {
    /// Tasks offered a second, of what the drone can run.
    pub load: f64,
    /// Tasks offered a second, as it came.
    pub offered: f64,
    /// Accepted a second.
    pub accepted: f64,
    /// Refused a second.
    pub refused: f64,
    /// From offer to result, of those accepted, in milliseconds.
    pub p50_ms: f64,
    /// The same.
    pub p99_ms: f64,
}

impl Bench {
    /// Closed-loop clients, each with a pace of its own, at half of what the drone can do, at all of it, and above.
    pub(super) async fn flood(&self) -> Result<Figure, Error> {
        let capacity = self.config.capacity.unwrap_or(CAPACITY);
        self.backend.set(queue(), None, Setting::Capacity(Some(capacity))).await?;
        let work = |_: Load, _: Context| async {
            tokio::time::sleep(WORK).await;
            Ok::<_, HandlerError>(())
        };
        let begun = self.clock.elapsed();
        let mut stretches = Vec::new();
        let measure = async {
            let mut callers = Vec::new();
            for _ in 0..self.config.clients.unwrap_or(CLIENTS).max(1) {
                callers.push(self.caller().await?);
            }
            for load in LOADS {
                stretches.push(self.stretch(load, &callers).await?);
            }
            Ok(())
        };
        self.beside_a_drone(HANDS, work, measure).await?;
        self.backend.set(queue(), None, Setting::Capacity(None)).await?;
        let time = self.clock.elapsed() - begun;
        let taken: f64 = stretches.iter().map(|stretch| stretch.accepted).sum();
        let tasks = taken * self.config.time.as_secs_f64();
        let figure = self.figure("flood", tasks as usize, time).with("capacity", capacity);
        let figure = figure.with("hands", HANDS).with("clients", self.config.clients.unwrap_or(CLIENTS));
        let p99 = |stretch: Option<&Stretch>| stretch.map_or(0.0, |stretch| stretch.p99_ms);
        let ratio = p99(stretches.last()) / p99(stretches.first()).max(1e-6);
        let stretches = serde_json::to_value(&stretches).map_err(refused)?;
        Ok(figure.with("p99_ratio", ratio).with("stretches", stretches))
    }

    async fn stretch(&self, load: f64, callers: &[Caller]) -> Result<Stretch, Error> {
        let able = HANDS as f64 / WORK.as_secs_f64();
        let pace = Duration::from_secs_f64(callers.len() as f64 / (able * load));
        let begun = self.clock.elapsed();
        let clients = callers.iter().enumerate().map(|(n, caller)| {
            // Not all at once.
            let first = begun + pace.mul_f64(n as f64 / callers.len() as f64);
            self.offer(caller, first, pace, begun + self.config.time)
        });
        let (times, refused): (Vec<_>, Vec<usize>) = try_join_all(clients).await?.into_iter().unzip();
        let (mut times, seconds) = (times.concat(), self.config.time.as_secs_f64());
        let (accepted, refused) =
            (times.len() as f64 / seconds, refused.iter().sum::<usize>() as f64 / seconds);
        let (p50_ms, p99_ms) = (part(&mut times, 0.5), part(&mut times, 0.99));
        Ok(Stretch { load, offered: accepted + refused, accepted, refused, p50_ms, p99_ms })
    }

    /// One client: an offer each time that its pace allows and the last one has its end. Answers how long each took
    /// that was accepted, and how many were refused.
    async fn offer(
        &self,
        caller: &Caller,
        mut next: Duration,
        pace: Duration,
        end: Duration,
    ) -> Result<(Vec<f64>, usize), Error> {
        let (mut times, mut refused) = (Vec::new(), 0);
        while next < end {
            tokio::time::sleep(next.saturating_sub(self.clock.elapsed())).await;
            let offered = self.clock.elapsed();
            let payload = Load::payload(0, self.config.payload);
            match caller.call(&payload).await? {
                true => times.push((self.clock.elapsed() - offered).as_secs_f64() * 1000.0),
                false => refused += 1,
            }
            // Who comes late does not make up for it: that would be a burst.
            next = (next + pace).max(self.clock.elapsed());
        }
        Ok((times, refused))
    }
}
