//! What passes through: each conversation with the backend, and who of this manager hears of it.

use skep_queue::{
    Beat, Claimed, Incarnation, Orders, Progress, Pump, QueueName, Result, Settled, Settlement, Submission,
    Submitted, TaskId, TaskType,
    admin::{Act, Acted, Setting},
};

use super::{
    Server,
    admission::{Offer, Pace},
};

impl Server {
    pub(super) async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        let offer = Offer::of(&submission);
        self.admission.open(&offer).await?;
        let mut answers = self.backend.submit(submission).await?;
        self.admission.judged(&offer, &mut answers);
        Ok(answers)
    }

    pub(super) async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        let drone = pump.drone;
        let claimed = self.backend.pump(pump).await?;
        self.callers.handed(drone, &claimed);
        self.admission.handed(&claimed);
        Ok(claimed)
    }

    pub(super) async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.admission.follow(&settlements).await?;
        let watched = (!self.callers.is_empty()).then(|| settlements.clone());
        let settled = self.backend.settle(settlements).await?;
        if let Some(settlements) = watched {
            self.callers.settled(&settlements, &settled);
        }
        Ok(settled)
    }

    pub(super) async fn beat(&self, beat: Beat) -> Result<Orders> {
        let orders = self.backend.beat(beat.clone()).await?;
        self.admission.beaten(&beat).await;
        if beat.leaving {
            self.callers.gone(beat.drone);
        }
        Ok(orders)
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

    /// Takes a drone for gone, at an operator's word or when its link is lost.
    pub(super) async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        let known = self.backend.rescue(drone).await?;
        self.callers.gone(drone);
        self.admission.refresh().await;
        Ok(known)
    }
}

/// How fast work is done, before anybody measures it.
pub(super) struct Unmeasured;

impl Pace for Unmeasured {
    fn mean(&self, _: &QueueName, _: Option<&TaskType>) -> Option<f64> {
        None
    }
}
