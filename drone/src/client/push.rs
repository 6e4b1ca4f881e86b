//! Waiting for an end: a manager says when it has come, any other queue is asked again and again.

use std::{mem::take, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::value::RawValue;
use skep_queue::{Error as QueueError, TaskId, admin::State};

use super::{Client, Error, Result, finish, patience::Patience};
use crate::backend::manager::{
    Manager,
    wire::{End, Note},
};

/// How long one request to a manager waits; then it is asked again.
const STRETCH: Duration = Duration::from_secs(60);

impl Client {
    /// With a manager in front of the same queue, which says when a task has ended, and what it tells meanwhile.
    #[must_use]
    pub fn through(mut self, manager: Arc<Manager>) -> Self {
        self.manager = Some(manager);
        self
    }

    /// Waits for at most `timeout` until a task has ended well, and answers its result. What the task tells on
    /// the way is handed on, where the client knows a [manager](Self::through).
    ///
    /// # Errors
    /// When it is not kept, ends in another way ([`Error::Failed`]), or takes longer.
    pub async fn outcome(
        &self,
        id: TaskId,
        timeout: Duration,
        note: impl FnMut(Note) + Send,
    ) -> Result<Option<Box<RawValue>>> {
        let ended = async {
            match &self.manager {
                Some(manager) => self.told(manager, id, note).await,
                None => finish(self.ended(id).await?),
            }
        };
        let ended = tokio::time::timeout(timeout, ended).await;
        ended.unwrap_or(Err(Error::TimedOut { id }))
    }

    async fn told(
        &self,
        manager: &Manager,
        id: TaskId,
        mut note: impl FnMut(Note) + Send,
    ) -> Result<Option<Box<RawValue>>> {
        let mut patience = Patience::new(self.lane.on_down().time(), self.shared.random.as_ref());
        // A link that was lost is worth a new one, whatever else is said of a queue that is down.
        let mut once_more = true;
        loop {
            match manager.collect(id, STRETCH, &mut note).await {
                Ok(End::Waiting) => once_more = true,
                Ok(End::NotKept) => return Err(Error::NotFound { id }),
                Ok(End::Over { state: State::Completed, result, .. }) => return value(result),
                Ok(End::Over { state, error, .. }) => {
                    return Err(Error::Failed { id, state, error: error.unwrap_or_default() });
                }
                Err(QueueError::Unavailable(_)) if take(&mut once_more) || patience.wait(None).await => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn value(result: Option<Bytes>) -> Result<Option<Box<RawValue>>> {
    let odd = |error| QueueError::Unavailable(format!("the manager sent a result that is no JSON: {error}"));
    Ok(result.map(|text| serde_json::from_slice(&text)).transpose().map_err(odd)?)
}
