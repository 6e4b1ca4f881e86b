//! The pump: claims a bounded batch per task type from a global queue into the local one.

use std::{collections::HashSet, sync::Arc, time::Duration};

use skep_queue::{ClaimId, Claimed, Demand, Pump, Random, TaskType};
use tokio_util::sync::CancellationToken;

use crate::{local::Local, source::Source, spec::Specs};

/// How long to wait for a disk with room.
const DISK: Duration = Duration::from_secs(1);
/// Who is told of work later than this was not told of what was there before.
const SOON: Duration = Duration::from_secs(1);
/// How often in a row one may be told of work and find none: a word crosses with what was already claimed.
const ALARMS: u32 = 8;
/// How long to wait after more than that, at first and at most: it may be the work of another queue of the same store.
const REST: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// One step of the drone, for one queue.
pub(crate) struct PumpStep {
    pub(crate) source: Source,
    pub(crate) local: Local,
    pub(crate) specs: Arc<Specs>,
    pub(crate) random: Arc<dyn Random>,
}

impl PumpStep {
    /// Pumps until told to stop. A claim under way is never cancelled: its tasks would be stranded.
    pub(crate) async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = self.source.link.announced.cancelled() => {}
            () = stop.cancelled() => return,
        }
        // Types that had nothing more when last asked.
        let mut dry = HashSet::new();
        // How often in a row there was work, and none here.
        let mut alarms = 0;
        while !stop.is_cancelled() {
            let room = self.local.looks().room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            let demands = self.local.state().reserve(self.source.index, &self.specs, &dry);
            if demands.is_empty() {
                tokio::select! {
                    () = &mut room => {}
                    soon = self.arrival(&dry, alarms) => {
                        dry.clear();
                        alarms = if soon { alarms + 1 } else { 0 };
                    }
                    () = stop.cancelled() => return,
                }
                continue;
            }
            if self.local.roomy() {
                if self.fill(&demands, &mut dry, &stop).await {
                    alarms = 0;
                }
            } else {
                tracing::warn!("the local disk is nearly full: not pumping");
                pause(DISK, &stop).await;
            }
            self.local.state().unreserve(&demands);
            // Another queue's pump may have found it all reserved.
            self.local.looks().room.notify_waiters();
        }
    }

    /// Waits for work of the types that had none; for ever when there are none of those. Says whether it came soon.
    async fn arrival(&self, dry: &HashSet<TaskType>, alarms: u32) -> bool {
        if dry.is_empty() {
            return std::future::pending().await;
        }
        if let Some(doubled) = alarms.checked_sub(ALARMS) {
            let (first, most) = REST;
            tokio::time::sleep(first.saturating_mul(1 << doubled.min(8)).min(most)).await;
        }
        let types: Vec<TaskType> = dry.iter().cloned().collect();
        let told = self.source.queue.arrival(&types);
        tokio::pin!(told);
        let soon = tokio::time::timeout(SOON, &mut told).await.is_ok();
        if !soon {
            told.await;
        }
        soon
    }

    /// Claims what there is room for; says whether there was any.
    async fn fill(&self, demands: &[Demand], dry: &mut HashSet<TaskType>, stop: &CancellationToken) -> bool {
        let (claim, mut found) = (ClaimId::new(&*self.random), false);
        self.local.state().asking.insert((self.source.index, claim));
        if let Some(claims) = self.claim(claim, demands, stop).await {
            for demand in demands {
                let ours = claims.iter().filter(|claimed| claimed.task_type == demand.task_type);
                if ours.map(|claimed| claimed.live.len()).sum::<usize>() < demand.room {
                    dry.insert(demand.task_type.clone());
                }
            }
            found = !claims.is_empty();
            self.keep(claims).await;
        }
        self.local.state().asking.remove(&(self.source.index, claim));
        found
    }

    /// Asks, and asks again under the same claim id until there is an answer.
    async fn claim(
        &self,
        claim: ClaimId,
        demands: &[Demand],
        stop: &CancellationToken,
    ) -> Option<Vec<Claimed>> {
        let Source { name, queue, drone, link, label, .. } = &self.source;
        for n in 1.. {
            let pump = Pump { drone: *drone, claim, queue: name.clone(), demands: demands.to_vec() };
            match queue.pump(pump).await {
                Ok(claims) => {
                    link.answered(label);
                    return Some(claims);
                }
                Err(error) => pause(link.failed(label, &error, n), stop).await,
            }
            if stop.is_cancelled() {
                break;
            }
        }
        None
    }

    async fn keep(&self, claims: Vec<Claimed>) {
        if claims.is_empty() {
            return;
        }
        if let Err(error) = self.local.store(self.source.index, &self.source.label, claims).await {
            // The next beat finds the claim as a phantom, and asks for it again.
            tracing::error!(%error, "a claim could not be kept");
        }
    }
}

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}
