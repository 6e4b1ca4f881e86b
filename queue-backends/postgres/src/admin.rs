//! What an operator sees and does.

use skep_queue::{
    Incarnation, QueueName, TaskId, TaskType,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, TaskDetail, TaskView},
};

use crate::{error::Error, queue::PgQueue};

impl PgQueue {
    pub(crate) async fn see_queues(&self) -> Result<Vec<QueueView>, Error> {
        Err(Error::Refused("not built".into()))
    }
    pub(crate) async fn see_tasks(&self, _: Filter) -> Result<Vec<TaskView>, Error> {
        Err(Error::Refused("not built".into()))
    }
    pub(crate) async fn see_task(&self, _: TaskId) -> Result<Option<TaskDetail>, Error> {
        Err(Error::Refused("not built".into()))
    }
    pub(crate) async fn see_drones(&self) -> Result<Vec<DroneView>, Error> {
        Err(Error::Refused("not built".into()))
    }
    pub(crate) async fn act_on(&self, _: Act, _: Vec<TaskId>) -> Result<Vec<Acted>, Error> {
        Err(Error::Refused("not built".into()))
    }
    pub(crate) async fn change(&self, _: QueueName, _: Option<TaskType>, _: Setting) -> Result<(), Error> {
        Err(Error::Refused("not built".into()))
    }
    pub(crate) async fn tell_to_drain(&self, _: Incarnation) -> Result<bool, Error> {
        Err(Error::Refused("not built".into()))
    }
}
