//! The backend as drones and submitters reach it through a manager: what it says is passed on, and the dealer,
//! the gate, the callers and the watch over links hear of it.

use std::sync::Arc;

use futures_util::FutureExt;
use skep_queue::{
    Beat, Claimed, Error, Incarnation, Orders, Progress, Pump, QueueName, Settled, Settlement, Submission,
    Submitted, TaskId, TaskType,
    admin::{Act, Acted},
};
use tokio_util::sync::CancellationToken;

use super::{
    Server,
    admission::{Offer, Pace},
    dealer::{self, Dealer, Report},
};

impl Server {
    pub(super) async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>, Error> {
        self.take_in(submission, true).await
    }

    /// For somebody who is told nothing before the end of the task, or [`Server::durable`].
    pub(super) async fn submit_lazily(&self, submission: Submission) -> Result<Vec<Submitted>, Error> {
        self.take_in(submission, false).await
    }

    /// Returns when whatever was taken in before is durable.
    pub(super) async fn durable(&self) -> Result<(), Error> {
        self.backend.submit(Submission::whole(Vec::new())).await.map(drop)
    }

    async fn take_in(&self, submission: Submission, durable: bool) -> Result<Vec<Submitted>, Error> {
        let (work, offer) = (dealer::brings(&submission), Offer::of(&submission));
        self.admission.open(&offer).await?;
        let mut submitted = match durable {
            true => self.backend.submit(submission),
            false => self.backend.submit_lazily(submission),
        };
        // Begun, and a drone may come for it: its claim is behind.
        let begun = self.backend.in_turn().then(|| submitted.as_mut().now_or_never());
        let told = begun.is_some() && self.dealer.expects(&work);
        let mut answers = match begun.flatten() {
            Some(answers) => answers,
            None => submitted.await,
        }?;
        self.admission.judged(&offer, &mut answers);
        self.dealer.arrived(&work, &answers, told);
        Ok(answers)
    }

    pub(super) async fn pump(&self, mut pump: Pump, link: u64) -> Result<Vec<Claimed>, Error> {
        self.speaks(pump.drone, link);
        self.gate.looked().await?;
        let grant = self.dealer.grant(&mut pump);
        let answer = self.backend.pump(pump).await;
        self.presence.answered(grant.drone);
        if let Ok(claimed) = &answer {
            self.callers.handed(grant.drone, claimed);
            self.admission.handed(claimed);
        }
        self.dealer.handed(&grant, answer.as_deref().ok());
        answer
    }

    pub(super) async fn settle(
        &self,
        settlements: Vec<Settlement>,
        drone: Option<Incarnation>,
    ) -> Result<Vec<Settled>, Error> {
        self.admission.follow(&settlements).await?;
        let report = Report::of(&settlements);
        let watched = (!self.callers.is_empty()).then(|| settlements.clone());
        let answers = self.backend.settle(settlements).await?;
        if let Some(settlements) = watched {
            self.callers.settled(&settlements, &answers);
        }
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
            self.callers.inherited(former, beat.drone);
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

    fn speaks(&self, drone: Incarnation, link: u64) {
        self.presence.spoke(drone, link);
        self.dealer.here(drone);
    }

    /// Hands notes on to those who wait here. Nobody else hears of them.
    pub(super) fn progress(&self, notes: Vec<Progress>) {
        self.callers.note(notes);
    }

    pub(super) async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>, Error> {
        let acted = self.backend.act(act, ids.clone()).await?;
        self.callers.touched(ids);
        Ok(acted)
    }

    /// Takes a drone for gone, at an operator's word.
    pub(super) async fn rescue(&self, drone: Incarnation) -> Result<bool, Error> {
        let known = self.backend.rescue(drone).await?;
        self.gone(drone);
        self.admission.refresh().await;
        Ok(known)
    }

    /// Tells a drone to drain: from now on its hands are not counted.
    pub(super) async fn drain(&self, drone: Incarnation) -> Result<bool, Error> {
        let known = self.backend.drain(drone).await?;
        self.admission.refresh().await;
        Ok(known)
    }

    /// A drone is gone, and what it had is rescued.
    fn gone(&self, drone: Incarnation) {
        self.dealer.gone(drone);
        self.callers.gone(drone);
        self.admission.changed();
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
            server.presence.watch(&*server.backend, |drone| server.gone(drone), &stopped).await;
        });
        let (server, stopped) = (Arc::clone(self), stop.clone());
        self.tasks.spawn(async move {
            let within = server.config.reannounce();
            let Server { gate, backend, clock, dealer, .. } = &*server;
            gate.wait(&**backend, clock, within, || dealer.open(), &stopped).await;
        });
        let (callers, backend) = (Arc::clone(&self.callers), Arc::clone(&self.backend));
        self.tasks.spawn(callers.watch(backend, stop.clone()));
        self.tasks.spawn(Arc::clone(&self.admission).run(stop.clone()));
    }
}

impl Pace for Dealer {
    fn mean(&self, queue: &QueueName, task_type: Option<&TaskType>) -> Option<f64> {
        self.flow(queue, task_type).mean
    }
}
