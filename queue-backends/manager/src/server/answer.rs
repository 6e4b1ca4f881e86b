//! What is answered to each verb.

use std::{sync::Arc, sync::PoisonError};

use skep_queue::{Error, Incarnation};

use super::{question::Question, session::Session};
use crate::wire::{Answer, Request, view::Status};

impl Session {
    /// Answers whatever was asked.
    pub(super) async fn answer(
        self: &Arc<Self>,
        _question: &mut Question,
        request: Request,
    ) -> Result<Answer, Error> {
        let backend = &self.server.backend;
        Ok(match request {
            Request::Hello(_) | Request::Forget { .. } | Request::Ping => Answer::Done,
            Request::Submit(submission) => Answer::Submitted(backend.submit(submission).await?),
            Request::Pump(pump) => {
                self.is_drone(pump.drone);
                Answer::Claimed(backend.pump(pump).await?)
            }
            Request::Settle { settlements } => Answer::Settled(backend.settle(settlements).await?),
            Request::Beat(beat) => {
                self.is_drone(beat.drone);
                Answer::Orders(backend.beat(beat).await?)
            }
            Request::Arrival { types } => {
                backend.arrival(&types).await;
                Answer::Done
            }
            Request::Progress { .. } => Answer::Done,
            Request::Call { .. } | Request::Collect { .. } => {
                return Err(Error::Refused("not yet".into()));
            }
            Request::Status => {
                let started_at = self.server.started_at;
                Answer::Status(Box::new(Status { started_at, open: true, ..Status::default() }))
            }
            Request::Queues => Answer::Queues(backend.queues().await?),
            Request::Find(filter) => {
                Answer::Found(backend.find(filter).await?.into_iter().map(Into::into).collect())
            }
            Request::Task { id } => Answer::Task(backend.task(id).await?.map(Into::into)),
            Request::Act { act, ids } => Answer::Acted(backend.act(act, ids).await?),
            Request::Set { queue, task_type, setting } => {
                backend.set(queue, task_type, setting).await?;
                Answer::Done
            }
            Request::Drones => Answer::Drones(backend.drones().await?),
            Request::Drain { drone } => Answer::Known(backend.drain(drone).await?),
            Request::Rescue { drone } => Answer::Known(backend.rescue(drone).await?),
        })
    }

    fn is_drone(&self, drone: Incarnation) {
        *self.drone.lock().unwrap_or_else(PoisonError::into_inner) = Some(drone);
    }
}
