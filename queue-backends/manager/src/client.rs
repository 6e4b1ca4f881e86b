//! The client: a queue in front of a manager, over one link at a time.

mod connect;
mod connection;

use std::sync::Arc;

use async_trait::async_trait;
use skep_queue::{
    Admin, Beat, Claimed, Clock, Error, Incarnation, Orders, Progress, Pump, Queue, QueueName, Random,
    Result, Settled, Settlement, Submission, Submitted, TaskId, TaskType,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, TaskDetail, TaskView},
};

pub use connect::Place;

use crate::wire::{Answer, Request};
use connect::Keeper;

/// A manager, as a queue. Made once, it connects by itself, for ever; a call while there is no connection
/// answers `Unavailable`.
pub struct Manager {
    keeper: Keeper,
}

impl Manager {
    /// A manager at one of these places: the first that answers. Returns at once.
    #[must_use]
    pub fn new(places: Vec<Place>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { keeper: Keeper::start(places, clock, random) }
    }

    async fn ask(&self, request: Request) -> Result<Answer> {
        self.keeper.connection().await?.ask(&request).await
    }
}

/// An answer that belongs to another question.
fn odd() -> Error {
    Error::Unavailable("the manager answered something else".into())
}

/// The answer to what has none.
fn done(answer: Answer) -> Result<()> {
    match answer {
        Answer::Done => Ok(()),
        _ => Err(odd()),
    }
}

/// What an answer carries, if it is the one that was asked for.
macro_rules! expect {
    ($answer:expr, $variant:ident) => {
        match $answer {
            Answer::$variant(value) => Ok(value),
            _ => Err(odd()),
        }
    };
}

#[async_trait]
impl Queue for Manager {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        expect!(self.ask(Request::Submit(submission)).await?, Submitted)
    }
    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        expect!(self.ask(Request::Pump(pump)).await?, Claimed)
    }
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        expect!(self.ask(Request::Settle { settlements }).await?, Settled)
    }
    async fn beat(&self, beat: Beat) -> Result<Orders> {
        expect!(self.ask(Request::Beat(beat)).await?, Orders)
    }
    async fn arrival(&self, types: &[TaskType]) {
        let asked = self.ask(Request::Arrival { types: types.to_vec() }).await;
        if asked.is_err() {
            self.keeper.ready().await;
        }
    }
    async fn progress(&self, notes: Vec<Progress>) -> Result<()> {
        done(self.ask(Request::Progress { notes }).await?)
    }
}

#[async_trait]
impl Admin for Manager {
    async fn queues(&self) -> Result<Vec<QueueView>> {
        expect!(self.ask(Request::Queues).await?, Queues)
    }
    async fn find(&self, filter: Filter) -> Result<Vec<TaskView>> {
        let views = expect!(self.ask(Request::Find(filter)).await?, Found)?;
        views.into_iter().map(|view| view.try_into().map_err(|_| odd())).collect()
    }
    async fn task(&self, id: TaskId) -> Result<Option<TaskDetail>> {
        let detail = expect!(self.ask(Request::Task { id }).await?, Task)?;
        detail.map(|detail| detail.try_into().map_err(|_| odd())).transpose()
    }
    async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>> {
        expect!(self.ask(Request::Act { act, ids }).await?, Acted)
    }
    async fn set(&self, queue: QueueName, task_type: Option<TaskType>, setting: Setting) -> Result<()> {
        done(self.ask(Request::Set { queue, task_type, setting }).await?)
    }
    async fn drones(&self) -> Result<Vec<DroneView>> {
        expect!(self.ask(Request::Drones).await?, Drones)
    }
    async fn drain(&self, drone: Incarnation) -> Result<bool> {
        expect!(self.ask(Request::Drain { drone }).await?, Known)
    }
    async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        expect!(self.ask(Request::Rescue { drone }).await?, Known)
    }
}
