//! What the server behind a queue spent, and its yardstick.

use std::time::Duration;

use serde_json::Value;
use skep_queue::{
    Error,
    meter::{Reading, Yardstick},
};

use super::{Bench, Figure, refused};

/// How long the yardstick runs.
const SECONDS: u32 = 5;

impl Figure {
    /// With what it cost the server, a task; or a second, when there were no tasks.
    pub(super) fn spent(self, spent: Reading) -> Self {
        let (tasks, seconds) = (self.tasks as f64, self.seconds.max(1e-9));
        if self.tasks == 0 {
            let percent = spent.cpu.map(|cpu| cpu.as_secs_f64() / seconds * 100.0);
            let figure = self.with("commits_per_second", spent.commits as f64 / seconds);
            return figure.with("server_core_percent", Value::from(percent));
        }
        self.with("wal_bytes_per_task", spent.wal_bytes as f64 / tasks)
            .with("dead_tuples_per_task", spent.dead_rows as f64 / tasks)
            .with("commits_per_task", spent.commits as f64 / tasks)
            .with("server_cpu_us_per_task", micros(spent.cpu, tasks))
    }
}

/// In microseconds a task; null where it is not to be had.
pub(super) fn micros(time: Option<Duration>, tasks: f64) -> Value {
    Value::from(time.map(|time| time.as_secs_f64() * 1e6 / tasks))
}

impl Bench {
    /// The yardstick with so many clients, if there is one.
    pub(super) async fn yardstick(&self, clients: usize) -> Result<Option<Yardstick>, Error> {
        match &self.meter {
            Some(meter) => meter.yardstick(clients, SECONDS).await,
            None => Ok(None),
        }
    }

    pub(super) async fn pgbench(&self) -> Result<Figure, Error> {
        let meter = self.meter.as_ref().ok_or_else(|| refused("pgbench needs a server of PostgreSQL"))?;
        let missing = || refused("pgbench is not installed here");
        let settings = meter.settings().await?;
        let begun = self.clock.elapsed();
        let one = self.yardstick(1).await?.ok_or_else(missing)?;
        let four = self.yardstick(4).await?.ok_or_else(missing)?;
        let time = self.clock.elapsed() - begun;
        let transactions = (one.rate + four.rate) * f64::from(SECONDS);
        let figure = self.figure("pgbench", transactions as usize, time);
        let figure = figure.with("c1_ms", one.latency_ms).with("c1_tps", one.rate);
        let figure = figure.with("c4_ms", four.latency_ms).with("c4_tps", four.rate);
        Ok(figure.with("command", four.command).with("server", settings))
    }
}
