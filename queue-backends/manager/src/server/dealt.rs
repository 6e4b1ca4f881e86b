//! The backend as drones and submitters reach it through a manager: what it says is passed on, and the dealer,
//! the gate and the watch over links hear of it.

use std::sync::Arc;

use skep_queue::{
    Beat, Claimed, Error, Incarnation, Orders, Pump, Settled, Settlement, Submission, Submitted, TaskType,
};
use tokio_util::sync::CancellationToken;

use super::{
    Server,
    dealer::{self, Report},
};

impl Server {
    pub(super) async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>, Error> {
        let work = dealer::brings(&submission);
        let answers = self.backend.submit(submission).await?;
        self.dealer.arrived(&work, &answers);
        Ok(answers)
    }

    pub(super) async fn pump(&self, mut pump: Pump, link: u64) -> Result<Vec<Claimed>, Error> {
        self.speaks(pump.drone, link);
        self.gate.looked().await?;
        let grant = self.dealer.grant(&mut pump);
        let answer = self.backend.pump(pump).await;
        self.presence.answered(grant.drone);
        self.dealer.handed(&grant, answer.as_deref().ok());
        answer
    }

    pub(super) async fn settle(
        &self,
        settlements: Vec<Settlement>,
        drone: Option<Incarnation>,
    ) -> Result<Vec<Settled>, Error> {
        let report = Report::of(&settlements);
        let answers = self.backend.settle(settlements).await?;
        self.dealer.settled(drone, &report, &answers);
        Ok(answers)
    }

    pub(super) async fn beat(&self, beat: Beat, link: u64) -> Result<Orders, Error> {
        if !beat.leaving {
            self.speaks(beat.drone, link);
        }
        let turn = self.dealer.hears();
        let orders = self.backend.beat(beat.clone()).await?;
        self.presence.answered(beat.drone);
        for former in self.dealer.seen(&beat, &orders, turn) {
            self.presence.left(former);
        }
        if beat.leaving {
            self.presence.left(beat.drone);
        }
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
        let (server, stopped) = (Arc::clone(self), stop.clone());
        self.tasks.spawn(async move { server.dealer.hurry(&stopped).await });
        let (server, stopped) = (Arc::clone(self), stop.clone());
        self.tasks.spawn(async move { server.dealer.listen(&*server.backend, &stopped).await });
        let (server, stopped) = (Arc::clone(self), stop.clone());
        self.tasks.spawn(async move {
            let Server { presence, dealer, backend, .. } = &*server;
            presence.watch(&**backend, |drone| dealer.gone(drone), &stopped).await;
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
