//! What is answered to each verb.

use std::sync::{Arc, PoisonError};

use skep_queue::{Error, Incarnation};

use super::{question::Question, session::Session};
use crate::wire::{Answer, Request};

impl Session {
    /// Answers whatever was asked.
    pub(super) async fn answer(
        self: &Arc<Self>,
        question: &mut Question,
        request: Request,
    ) -> Result<Answer, Error> {
        let (server, backend) = (&self.server, &self.server.backend);
        Ok(match request {
            Request::Hello(_) | Request::Forget { .. } | Request::Ping => Answer::Done,
            Request::Submit(submission) => Answer::Submitted(server.submit(submission).await?),
            Request::Pump(pump) => {
                self.is_drone(pump.drone);
                Answer::Claimed(server.pump(pump, self.link).await?)
            }
            Request::Settle { settlements } => {
                Answer::Settled(server.settle(settlements, self.drone()).await?)
            }
            Request::Beat(beat) => {
                if !beat.leaving {
                    self.is_drone(beat.drone);
                }
                Answer::Orders(server.beat(beat, self.link).await?)
            }
            Request::Arrival { types } => {
                question.rest();
                server.arrival(&types, self.drone()).await;
                Answer::Done
            }
            Request::Progress { notes } => {
                server.progress(notes);
                Answer::Done
            }
            Request::Call { block, wait } => self.call(question, block, wait).await?,
            Request::Collect { id, wait } => self.collect(question, id, wait).await?,
            Request::Status => Answer::Status(Box::new(server.status().await?)),
            Request::Queues => Answer::Queues(backend.queues().await?),
            Request::Find(filter) => {
                Answer::Found(backend.find(filter).await?.into_iter().map(Into::into).collect())
            }
            Request::Task { id } => Answer::Task(backend.task(id).await?.map(Into::into)),
            Request::Act { act, ids } => Answer::Acted(server.act(act, ids).await?),
            Request::Set { queue, task_type, setting } => {
                server.admission.overrule(queue, task_type, setting).await?;
                Answer::Done
            }
            Request::Drones => Answer::Drones(backend.drones().await?),
            Request::Drain { drone } => Answer::Known(server.drain(drone).await?),
            Request::Rescue { drone } => Answer::Known(server.rescue(drone).await?),
        })
    }

    fn drone(&self) -> Option<Incarnation> {
        *self.drone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_drone(&self, drone: Incarnation) {
        *self.drone.lock().unwrap_or_else(PoisonError::into_inner) = Some(drone);
    }
}
