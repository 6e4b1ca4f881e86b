//! The control plane: an operator's acts are written down, looking is not.

use async_trait::async_trait;
use skep_queue::{
    Admin, Incarnation, QueueName, Result, TaskId, TaskType,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, TaskDetail, TaskView},
};

use crate::{Audit, line};

#[async_trait]
impl Admin for Audit {
    async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>> {
        let acted = self.inner.act(act, ids.clone()).await?;
        self.trail.write(|| line::act(act, &ids, &acted))?;
        Ok(acted)
    }

    async fn set(&self, queue: QueueName, task_type: Option<TaskType>, setting: Setting) -> Result<()> {
        self.inner.set(queue.clone(), task_type.clone(), setting).await?;
        self.trail.write(|| line::set(&queue, task_type.as_ref(), setting))
    }

    async fn drain(&self, drone: Incarnation) -> Result<bool> {
        let drained = self.inner.drain(drone).await?;
        self.trail.write(|| line::drone("drain", drone, drained))?;
        Ok(drained)
    }

    async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        let rescued = self.inner.rescue(drone).await?;
        self.trail.write(|| line::drone("rescue", drone, rescued))?;
        Ok(rescued)
    }

    async fn queues(&self) -> Result<Vec<QueueView>> {
        self.inner.queues().await
    }

    async fn find(&self, filter: Filter) -> Result<Vec<TaskView>> {
        self.inner.find(filter).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<TaskDetail>> {
        self.inner.task(id).await
    }

    async fn drones(&self) -> Result<Vec<DroneView>> {
        self.inner.drones().await
    }
}
