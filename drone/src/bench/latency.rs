//! The quiet workloads: from submit to start on an idle drone, and what idling costs.

use std::{io::Write, sync::Arc, time::Duration};

use serde::Serialize;
use skep_queue::Error;
use tokio::sync::mpsc;

use super::{Bench, Figure, Load, queue, refused, task_type};
use crate::{Context, Drone, HandlerError, Settings, Stopper};

/// Samples of a latency.
pub(super) const SAMPLES: usize = 500;
/// How long everything rests between two samples.
pub(super) const CALM_DISK: Duration = Duration::from_millis(10);
/// How long an idle drone is watched.
const IDLE: Duration = Duration::from_secs(10);
/// How long it may settle down first.
const CALM: Duration = Duration::from_secs(2);

impl Bench {
    pub(super) async fn latency(&self) -> Result<Figure, Error> {
        let (starts, mut started) = mpsc::unbounded_channel();
        let clock = Arc::clone(&self.clock);
        let note = move |load: Load, _: Context| {
            let _ = starts.send((load.n, clock.elapsed()));
            async { Ok::<_, HandlerError>(()) }
        };
        let (mut samples, mut acks, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
        let mut yardstick = tempfile::tempfile_in(&self.config.folder).map_err(refused)?;
        let begun = self.clock.elapsed();
        let measure = async {
            for block in self.blocks(SAMPLES, true) {
                let submitted = self.clock.elapsed();
                self.submit(vec![block]).await?;
                acks.push((self.clock.elapsed() - submitted).as_secs_f64() * 1000.0);
                let (_, at) = started.recv().await.ok_or_else(|| refused("the drone stopped"))?;
                samples.push(at.saturating_sub(submitted).as_secs_f64() * 1000.0);
                // Idle again: everything of this task is reported before the next.
                tokio::time::sleep(CALM_DISK).await;
                // The yardstick in the same state: a disk that idled is slower than one in a loop.
                let before = self.clock.elapsed();
                yardstick.write_all(&[0; 4096]).and_then(|()| yardstick.sync_data()).map_err(refused)?;
                syncs.push((self.clock.elapsed() - before).as_secs_f64() * 1000.0);
                tokio::time::sleep(CALM_DISK).await;
            }
            Ok(())
        };
        let before = self.yardstick(1).await?;
        self.beside_a_drone(self.config.hands, note, measure).await?;
        let figure = self.figure("latency", SAMPLES, self.clock.elapsed() - begun);
        let figure = figure.with("p50_ms", part(&mut samples, 0.5)).with("p99_ms", part(&mut samples, 0.99));
        let (p50, sync) = (part(&mut samples, 0.5), part(&mut syncs, 0.5));
        let figure =
            figure.with("max_ms", part(&mut samples, 1.0)).with("durable_p50_ms", part(&mut acks, 0.5));
        let figure = figure.with("fsync_p50_ms", sync).with("p50_in_fsyncs", p50 / sync.max(1e-6));
        let Some((before, after)) = before.zip(self.yardstick(1).await?) else { return Ok(figure) };
        let mean = (before.latency_ms + after.latency_ms) / 2.0;
        Ok(figure.with("pgbench_c1_ms", mean).with("bar_ms", 1.5 * mean + 2.0))
    }

    pub(super) async fn idle(&self) -> Result<Figure, Error> {
        let nothing = |_: Load, _: Context| async { Ok::<_, HandlerError>(()) };
        let mut used = Duration::ZERO;
        let measure = async {
            tokio::time::sleep(CALM).await;
            let before = cpu_time();
            tokio::time::sleep(IDLE).await;
            used = cpu_time() - before;
            Ok(())
        };
        self.beside_a_drone(self.config.hands, nothing, measure).await?;
        let percent = used.as_secs_f64() / IDLE.as_secs_f64() * 100.0;
        Ok(self.figure("idle", 0, IDLE).with("core_percent", percent).with("rss_mib", rss_mib()))
    }

    /// Measures something while a drone runs.
    pub(super) async fn beside_a_drone<F, Fut, R>(
        &self,
        hands: usize,
        handler: F,
        measure: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error>
    where
        F: Fn(Load, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, HandlerError>> + Send + 'static,
        R: Serialize + 'static,
    {
        let folder = tempfile::tempdir_in(&self.config.folder).map_err(refused)?;
        let stopper = Stopper::default();
        let drone = Drone::builder()
            .name("bench")
            .queue("bench", queue(), Arc::clone(&self.backend))
            .local_path(folder.path().join("local.db"))
            .handler(task_type(), hands, Settings::default(), handler);
        let run = drone.build().map_err(refused)?.run(stopper.clone());
        let measured = async {
            let measured = measure.await;
            stopper.stop();
            measured
        };
        let (ran, measured) = tokio::join!(run, measured);
        ran.map_err(refused)?;
        measured
    }
}

/// The value below which this part of the samples lies.
pub(super) fn part(samples: &mut [f64], part: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get((samples.len().saturating_sub(1) as f64 * part) as usize).copied().unwrap_or(0.0)
}

/// What this process has used of the processors, kernel included.
pub(super) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Resident memory of this process, in MiB; 0 where /proc does not say.
fn rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0.0);
    (kib / 102.4).round() / 10.0
}
