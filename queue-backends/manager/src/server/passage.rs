//! What passes through: each conversation with the backend, and who of this manager hears of it.

use skep_queue::{
    Beat, Claimed, Incarnation, Orders, Progress, Pump, QueueName, Result, Settled, Settlement, Submission,
    Submitted, TaskId, TaskType,
    admin::{Act, Acted, Setting},
};

use super::Server;

impl Server {
    pub(super) async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        self.backend.submit(submission).await
    }

    pub(super) async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        let drone = pump.drone;
        let claimed = self.backend.pump(pump).await?;
        self.callers.handed(drone, &claimed);
        Ok(claimed)
    }

    pub(super) async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        let watched = (!self.callers.is_empty()).then(|| settlements.clone());
        let settled = self.backend.settle(settlements).await?;
        if let Some(settlements) = watched {
            self.callers.settled(&settlements, &settled);
        }
        Ok(settled)
    }

    pub(super) async fn beat(&self, beat: Beat) -> Result<Orders> {
        let (drone, leaving) = (beat.drone, beat.leaving);
        let orders = self.backend.beat(beat).await?;
        if leaving {
            self.callers.gone(drone);
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
        self.backend.set(queue, task_type, setting).await
    }

    /// Takes a drone for gone, at an operator's word or when its link is lost.
    pub(super) async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        let known = self.backend.rescue(drone).await?;
        self.callers.gone(drone);
        Ok(known)
    }
}
