//! What is asked: a task with what few tasks set, to be awaited.

use std::{fmt::Display, future::IntoFuture, marker::PhantomData, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use skep_queue::{
    Block, BlockId, Due, Options, Priority, QueueName, TaskId, Timestamp,
    block::{OnConflict, OnLost},
};

use super::{Client, Error, Result, Retry};
use crate::wire::Note;

/// A task on its way: await it. What is wrong with it is told then.
#[must_use = "nothing is asked until it is awaited"]
pub struct Asking<K> {
    client: Client,
    block: Result<Block>,
    retry: Option<Retry>,
    kind: K,
}

/// To be submitted; answers its id.
pub struct Queued;

/// To be submitted and waited for; answers its result.
pub struct Called<'a, T> {
    timeout: Duration,
    note: Box<dyn FnMut(Note) + Send + 'a>,
    result: PhantomData<fn() -> T>,
}

/// What will be known when all is done.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

impl<K> Asking<K> {
    pub(super) fn new(
        client: &Client,
        task_type: &str,
        payload: &(impl Serialize + ?Sized),
        kind: K,
    ) -> Self {
        let (clock, random) = (&*client.shared.manager.clock, &*client.shared.random);
        let block = || {
            let payload = serde_json::to_vec(payload).map_err(invalid)?;
            Ok(Block::one(task_type.parse().map_err(invalid)?, payload, clock, random))
        };
        Self { client: client.clone(), block: block(), retry: client.shared.options.retry, kind }
    }

    /// In another queue than `default`.
    pub fn queue(self, name: &str) -> Self {
        self.parsed(name.parse::<QueueName>(), |block, name| block.queue = name)
    }

    /// Sooner or later than others that are due: 1 to 5, or `max`, `high`, `normal`, `low`, `min`.
    pub fn priority(self, priority: impl Display) -> Self {
        self.parsed(priority.to_string().parse::<Priority>(), |block, priority| block.priority = priority)
    }

    /// Not before a delay is over, by the queue's clock.
    pub fn delay(self, delay: Duration) -> Self {
        self.set(|block| block.due = Due::In(delay))
    }

    /// Not before a moment.
    pub fn at(self, moment: Timestamp) -> Self {
        self.set(|block| block.due = Due::At(moment))
    }

    /// The only one of its queue with this key until it has ended.
    pub fn unique(self, key: &str, on_conflict: OnConflict) -> Self {
        self.option(|options| {
            (options.unique_key, options.on_conflict) = (Some(key.to_owned()), on_conflict);
        })
    }

    /// Discarded after so many failed runs, whatever its type's limit.
    pub fn max_attempts(self, runs: u16) -> Self {
        self.option(|options| options.max_attempts = Some(runs))
    }

    /// What becomes of it when its drone is gone. What is called is not run again, unless this says so; what
    /// is queued is.
    pub fn on_lost(self, on_lost: OnLost) -> Self {
        self.option(|options| options.on_lost = on_lost)
    }

    /// Handed to the worker as it is.
    pub fn meta(self, key: &str, value: &str) -> Self {
        self.option(|options| drop(options.meta.insert(key.to_owned(), value.to_owned())))
    }

    /// Under an id of the caller's own, so that it can be asked again after a crash: any UUID.
    pub fn id(self, id: TaskId) -> Self {
        self.set(|block| block.id = BlockId(id.0))
    }

    /// Tries again when it is refused, whatever the client does by default.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    fn option(self, set: impl FnOnce(&mut Options)) -> Self {
        self.set(|block| set(Arc::make_mut(&mut block.options)))
    }

    fn set(self, set: impl FnOnce(&mut Block)) -> Self {
        self.parsed(Ok::<_, Error>(()), |block, ()| set(block))
    }

    fn parsed<V>(mut self, value: Result<V, impl Display>, set: impl FnOnce(&mut Block, V)) -> Self {
        match (&mut self.block, value) {
            (Ok(block), Ok(value)) => set(block, value),
            (Ok(_), Err(error)) => self.block = Err(invalid(error)),
            (Err(_), _) => {}
        }
        self
    }
}

impl<'a, T> Called<'a, T> {
    pub(super) fn new(timeout: Duration, note: impl FnMut(Note) + Send + 'a) -> Self {
        Self { timeout, note: Box::new(note), result: PhantomData }
    }
}

impl IntoFuture for Asking<Queued> {
    type Output = Result<TaskId>;
    type IntoFuture = Answering<'static, TaskId>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.client.submit(self.block?, self.retry).await })
    }
}

impl<'a, T: DeserializeOwned + 'a> IntoFuture for Asking<Called<'a, T>> {
    type Output = Result<T>;
    type IntoFuture = Answering<'a, T>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { client, block, retry, kind: Called { timeout, mut note, .. } } = self;
            let block = block?;
            let id = block.id.task(0);
            let result = client.run(block, retry, timeout, &mut *note).await?;
            value(id, result)
        })
    }
}

/// A result as what was asked for; a task that left none made `null`.
pub(super) fn value<T: DeserializeOwned>(id: TaskId, result: Option<Bytes>) -> Result<T> {
    let json = result.as_deref().unwrap_or(b"null");
    serde_json::from_slice(json).map_err(|error| Error::Result { id, why: error.to_string() })
}

fn invalid(error: impl Display) -> Error {
    Error::Invalid(error.to_string())
}
