//! What passes through: each conversation with the backend, and who of this manager hears of it. The dealer, the
//! gate and the watch over links see the drones, admission sees what comes in, and callers see what ends.

use std::sync::Arc;

use skep_queue::{
    Beat, Claimed, Incarnation, Orders, Progress, Pump, QueueName, Result, Settled, Settlement, Submission,
    Submitted, TaskId, TaskType,
    admin::{Act, Acted, Setting},
};
use tokio_util::sync::CancellationToken;

use super::{
    Server,
    admission::{Offer, Pace},
    dealer::{self, Dealer, Report},
};

impl Server {
    pub(super) async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        let (offer, work) = (Offer::of(&submission), dealer::brings(&submission));
        self.admission.open(&offer).await?;
        let mut answers = self.backend.submit(submission).await?;
        self.dealer.arrived(&work, &answers);
        self.admission.judged(&offer, &mut answers);
        Ok(answers)
    }

    pub(super) async fn pump(&self, mut pump: Pump, link: u64) -> Result<Vec<Claimed>> {
        let drone = pump.drone;
        self.speaks(drone, link);
        self.gate.looked().await?;
        let grant = self.dealer.grant(&mut pump);
        let answer = self.backend.pump(pump).await;
        self.dealer.handed(&grant, answer.as_deref().ok());
        let claimed = answer?;
        self.callers.handed(drone, &claimed);
        self.admission.handed(&claimed);
        Ok(claimed)
    }

    pub(super) async fn settle(
        &self,
        settlements: Vec<Settlement>,
        drone: Option<Incarnation>,
    ) -> Result<Vec<Settled>> {
        self.admission.follow(&settlements).await?;
        let report = Report::of(&settlements);
        let watched = (!self.callers.is_empty()).then(|| settlements.clone());
        let settled = self.backend.settle(settlements).await?;
        self.dealer.settled(drone, &report, &settled);
        if let Some(settlements) = watched {
            self.callers.settled(&settlements, &settled);
        }
        Ok(settled)
    }

    pub(super) async fn beat(&self, beat: Beat, link: u64) -> Result<Orders> {
        if !beat.leaving {
            self.speaks(beat.drone, link);
        }
        let turn = self.dealer.hears();
        let orders = self.backend.beat(beat.clone()).await?;
        for former in self.dealer.seen(&beat, &orders, turn) {
            self.presence.left(former);
        }
        if beat.leaving {
            self.presence.left(beat.drone);
            self.callers.gone(beat.drone);
        }
        self.admission.beaten(&beat).await;
        self.gate.announced(beat.drone);
        Ok(orders)
    }

    /// A drone that waits for work is told by the dealer; whoever else waits, or waits for orders, hears of
    /// whatever comes.
    pub(super) async fn arrival(&self, types: &[TaskType], drone: Option<Incarnation>) {
        match drone {
            Some(drone) if !types.is_empty() => self.dealer.arrival(drone, types).await,
            _ => self.backend.arrival(types).await,
        }
    }

    /// Hands notes on to those who wait here. Nobody else hears of them.
    pub(super) fn progress(&self, notes: Vec<Progress>) {
        self.callers.note(notes);
    }

    pub(super) async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>> {
        let acted = self.backend.act(act, ids.clone()).await?;
        self.callers.touched(ids);
        Ok(acted)
    }

    pub(super) async fn set(
        &self,
        queue: QueueName,
        task_type: Option<TaskType>,
        setting: Setting,
    ) -> Result<()> {
        self.admission.overrule(queue, task_type, setting).await
    }

    /// Takes a drone for gone, at an operator's word.
    pub(super) async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        let known = self.backend.rescue(drone).await?;
        self.rescued(drone);
        self.admission.refresh().await;
        Ok(known)
    }

    /// The tasks of a drone wait again, or have ended.
    fn rescued(&self, drone: Incarnation) {
        self.dealer.gone(drone);
        self.callers.gone(drone);
    }

    fn speaks(&self, drone: Incarnation, link: u64) {
        self.presence.spoke(drone, link);
        self.dealer.here(drone);
    }

    /// A link ended.
    pub(super) fn parted(&self, link: u64) {
        for drone in self.presence.ended(link) {
            self.dealer.away(drone);
        }
    }

    /// What a server does beside answering, until told to stop.
    pub(super) fn begin(self: &Arc<Self>, stop: &CancellationToken) {
        self.tasks.spawn(Arc::clone(&self.callers).watch(Arc::clone(&self.backend), stop.clone()));
        self.tasks.spawn(Arc::clone(&self.admission).run(stop.clone()));
        let (server, stopped) = (Arc::clone(self), stop.clone());
        self.tasks.spawn(async move { server.dealer.hurry(&stopped).await });
        let (server, stopped) = (Arc::clone(self), stop.clone());
        self.tasks.spawn(async move { server.dealer.listen(&*server.backend, &stopped).await });
        let (server, stopped) = (Arc::clone(self), stop.clone());
        self.tasks.spawn(async move {
            let rescued = |drone| server.rescued(drone);
            server.presence.watch(&*server.backend, rescued, &stopped).await;
        });
        let (server, stopped) = (Arc::clone(self), stop.clone());
        self.tasks.spawn(async move {
            let within = server.config.reannounce();
            if server.gate.wait(&*server.backend, &server.clock, within, &stopped).await {
                server.dealer.open();
            }
        });
    }
}

impl Pace for Dealer {
    fn mean(&self, queue: &QueueName, task_type: Option<&TaskType>) -> Option<f64> {
        self.flow(queue, task_type).mean
    }
}
