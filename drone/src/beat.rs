//! The heartbeat: keeps the lease, tells what is held, and carries out orders.

use std::{collections::HashSet, sync::Arc, time::Duration};

use skep_queue::{Beat, ClaimId, Claimed, Clock, DroneFacts, Error, Incarnation, Orders, Pump, TaskType};
use tokio_util::sync::CancellationToken;

use crate::{local::Local, source::Source, spec::Specs, worker::Worker};

/// Least time between two beats, however often somebody rings.
const GAP: Duration = Duration::from_millis(500);
/// How often to look whether a worker has news, and whether work has been held too long.
const LOOK: Duration = Duration::from_secs(1);

/// One step of the drone, for one queue.
pub(crate) struct BeatStep {
    pub(crate) source: Source,
    pub(crate) local: Local,
    pub(crate) specs: Arc<Specs>,
    pub(crate) workers: Vec<Arc<dyn Worker>>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What does not change of what the drone tells of itself.
    pub(crate) facts: DroneFacts,
    pub(crate) ttl: Duration,
    pub(crate) every: Duration,
    /// Who had the local file before, and is dead for certain: what the queue still has for it never reached
    /// that file, and goes back free of charge.
    pub(crate) former: Option<Incarnation>,
    /// Claims that were on file at the start, and that the queue has not yet been asked about.
    pub(crate) recovered: HashSet<ClaimId>,
    /// Cancelled when the queue orders the drone to drain.
    pub(crate) drain: CancellationToken,
}

impl BeatStep {
    /// Beats until told to stop; the last beat says goodbye when nothing is held any more.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (mut last_ok, mut failures) = (self.clock.elapsed(), 0);
        while !stop.is_cancelled() {
            let (beat, asking) = (self.beat(false), self.local.state().asking.clone());
            match self.source.queue.beat(beat).await {
                Ok(mut orders) => {
                    self.source.link.answered(&self.source.label);
                    (last_ok, failures) = (self.clock.elapsed(), 0);
                    // What is being asked for may not have arrived there yet: it is not lost.
                    orders.lost.retain(|claim| !asking.contains(&(self.source.index, *claim)));
                    self.obey(orders).await;
                    self.bury().await;
                    self.compare().await;
                    self.source.link.announced.cancel();
                    self.source.link.asked.cancel();
                }
                Err(error) => {
                    failures += 1;
                    self.source.link.failed(&self.source.label, &error, failures);
                }
            }
            self.rest(last_ok, failures, &stop).await;
        }
        if !self.local.state().holds(self.source.index)
            && let Err(error) = self.source.queue.beat(self.beat(true)).await
        {
            tracing::warn!(%error, "the queue did not hear the drone leave");
        }
    }

    /// Says goodbye for the former incarnation, once this one has taken over what it held.
    async fn bury(&mut self) {
        let Some(former) = self.former else { return };
        let beat = Beat { drone: former, held: Vec::new(), ..self.beat(true) };
        match self.source.queue.beat(beat).await {
            Ok(_) => self.former = None,
            Err(error) => tracing::warn!(%error, "what the former drone claimed waits for the next beat"),
        }
    }

    /// Asks what is left of the claims that were on file: after a power cut the file may have forgotten that some of
    /// their tasks were settled.
    async fn compare(&mut self) {
        let held = self.local.state().claims(self.source.index);
        self.recovered.retain(|claim| held.contains(claim));
        for claim in std::mem::take(&mut self.recovered) {
            match self.ask_again(claim).await {
                Ok(left) => {
                    let dropped = self.local.keep_only(self.source.index, claim, &left);
                    if dropped > 0 {
                        tracing::warn!(%claim, dropped, "tasks on file had been settled before");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "what is left of a claim is asked at the next beat");
                    self.recovered.insert(claim);
                }
            }
        }
    }

    /// The rows of a claim that was answered before: what is left of it.
    async fn ask_again(&self, claim: ClaimId) -> Result<Vec<Claimed>, Error> {
        let Source { name, queue, drone, .. } = &self.source;
        queue.pump(Pump { drone: *drone, claim, queue: name.clone(), demands: Vec::new() }).await
    }

    fn beat(&self, leaving: bool) -> Beat {
        let (counts, degraded) = (self.local.state().counts(), self.degraded());
        let facts = DroneFacts {
            held: counts.buffered + counts.running + counts.outbox,
            running: counts.running,
            degraded,
            ..self.facts.clone()
        };
        let held = self.local.state().claims(self.source.index).into_iter().collect();
        Beat {
            drone: self.source.drone,
            queue: self.source.name.clone(),
            ttl: self.ttl,
            held,
            facts,
            leaving,
        }
    }

    fn degraded(&self) -> Vec<String> {
        self.workers.iter().filter_map(|worker| worker.degraded()).collect()
    }

    /// Waits for the next beat: the time, somebody who rings, or news of a worker.
    async fn rest(&self, last_ok: Duration, failures: u32, stop: &CancellationToken) {
        let begun = self.clock.elapsed();
        let told = self.degraded();
        loop {
            let rested = self.clock.elapsed().saturating_sub(begun);
            self.watch_lease(last_ok);
            self.local.hand_back(self.local.max_hold());
            let news = failures > 0 || self.degraded() != told;
            if rested >= if news { LOOK.min(self.every) } else { self.every } {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK.min(self.every)) => {}
                () = self.source.queue.arrival(&[]), if failures == 0 => {
                    let missing = GAP.saturating_sub(self.clock.elapsed().saturating_sub(begun));
                    tokio::select! {
                        () = tokio::time::sleep(missing) => {}
                        () = stop.cancelled() => {}
                    }
                    return;
                }
            }
        }
    }

    /// Does what the task types want done once the lease may have run out: a tenth early, since the queue
    /// counts from when it received the beat.
    fn watch_lease(&self, last_ok: Duration) {
        if self.clock.elapsed().saturating_sub(last_ok) < self.ttl.mul_f64(0.9) {
            return;
        }
        self.local.state().leaseless(self.source.index, &self.specs);
    }

    async fn obey(&self, orders: Orders) {
        let paused: HashSet<TaskType> = orders.paused.into_iter().collect();
        let resumed = {
            let mut state = self.local.state();
            let former = state.paused.entry(self.source.index).or_default();
            let former = std::mem::replace(former, paused);
            let paused = &state.paused[&self.source.index];
            former.iter().any(|task_type| !paused.contains(task_type))
        };
        if resumed {
            self.local.looks().work.notify_waiters();
            self.local.looks().room.notify_waiters();
        }
        if !orders.lost.is_empty() {
            let tasks = self.local.lose(&orders.lost);
            if tasks > 0 {
                tracing::warn!(claims = orders.lost.len(), tasks, "claims were lost to another drone");
            }
        }
        self.local.cancel(&orders.cancel);
        for claim in orders.phantoms {
            self.recover(claim).await;
        }
        if orders.drain {
            self.drain.cancel();
        }
    }

    /// A claim whose reply was lost: ask again, and keep it.
    async fn recover(&self, claim: ClaimId) {
        let Source { index, label, .. } = &self.source;
        if self.local.state().claims(*index).contains(&claim) {
            return;
        }
        match self.ask_again(claim).await {
            Ok(claims) => {
                tracing::info!(%claim, "found a claim whose reply was lost");
                if let Err(error) = self.local.store(*index, label, claims).await {
                    tracing::error!(%error, "a claim could not be kept");
                }
            }
            Err(error) => tracing::warn!(%error, "a phantom claim waits for the next beat"),
        }
    }
}
