//! What to submit.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use skep_queue::{
    Content, Due, NameError, Options, Priority, QueueName, TaskId, TaskType, Timestamp, block::OnConflict,
};

/// A task on its way to a [`Client`](super::Client): a type, a payload, and what few tasks set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    pub(super) task_type: TaskType,
    pub(super) payload: Bytes,
    pub(super) queue: QueueName,
    pub(super) priority: Priority,
    pub(super) due: Due,
    pub(super) options: Arc<Options>,
    pub(super) id: Option<TaskId>,
}

/// Why something is no task.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The type is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The payload is no JSON.
    #[error("the payload is not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl NewTask {
    /// A task whose payload is a value, as JSON.
    ///
    /// # Errors
    /// When the type is no name, or the value cannot be JSON.
    pub fn new(task_type: &str, payload: &impl Serialize) -> Result<Self, TaskError> {
        Ok(Self::with(task_type.parse()?, serde_json::to_vec(payload)?, Content::Json))
    }

    /// A task whose payload is JSON text already.
    ///
    /// # Errors
    /// When it is not.
    pub fn json(task_type: TaskType, text: impl Into<Bytes>) -> Result<Self, TaskError> {
        let text = text.into();
        serde_json::from_slice::<&RawValue>(&text)?;
        Ok(Self::with(task_type, text, Content::Json))
    }

    /// A task whose payload is any bytes.
    #[must_use]
    pub fn bytes(task_type: TaskType, payload: impl Into<Bytes>) -> Self {
        Self::with(task_type, payload, Content::Bytes)
    }

    fn with(task_type: TaskType, payload: impl Into<Bytes>, content: Content) -> Self {
        Self {
            task_type,
            payload: payload.into(),
            queue: QueueName::default(),
            priority: Priority::default(),
            due: Due::Now,
            options: Arc::new(Options { content, ..Options::default() }),
            id: None,
        }
    }

    /// A task like this one, with another payload of the same kind. Such neighbours travel cheaply.
    ///
    /// # Errors
    /// When this one's payload is JSON, and the other is not.
    pub fn again(&self, payload: impl Into<Bytes>) -> Result<Self, TaskError> {
        let payload = payload.into();
        if self.options.content == Content::Json {
            serde_json::from_slice::<&RawValue>(&payload)?;
        }
        Ok(Self { payload, ..self.clone() })
    }

    /// In another queue than `default`.
    #[must_use]
    pub fn queue(mut self, queue: QueueName) -> Self {
        self.queue = queue;
        self
    }

    /// Sooner or later than others that are due.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Not before a delay is over, by the queue's clock.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        self.due(Due::In(delay))
    }

    /// Not before a moment.
    #[must_use]
    pub fn at(self, moment: Timestamp) -> Self {
        self.due(Due::At(moment))
    }

    /// Not before it is due.
    #[must_use]
    pub fn due(mut self, due: Due) -> Self {
        self.due = due;
        self
    }

    /// Discarded after so many failed runs, whatever its type's limit.
    #[must_use]
    pub fn max_attempts(self, runs: u16) -> Self {
        self.option(|options| options.max_attempts = Some(runs))
    }

    /// The only one of its queue with this key until it has ended.
    #[must_use]
    pub fn unique(self, key: impl Into<String>, on_conflict: OnConflict) -> Self {
        self.option(|options| {
            (options.unique_key, options.on_conflict) = (Some(key.into()), on_conflict);
        })
    }

    /// Its outcome becomes a new task of this type.
    #[must_use]
    pub fn postback(self, to: TaskType) -> Self {
        self.option(|options| options.postback = Some(to))
    }

    /// Handed to the worker as it is.
    #[must_use]
    pub fn meta(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.option(|options| drop(options.meta.insert(key.into(), value.into())))
    }

    /// Under an id of the submitter's own, so that a submit can be repeated: any UUID.
    #[must_use]
    pub fn id(mut self, id: TaskId) -> Self {
        self.id = Some(id);
        self
    }

    fn option(mut self, set: impl FnOnce(&mut Options)) -> Self {
        set(Arc::make_mut(&mut self.options));
        self
    }

    /// What routes it.
    #[must_use]
    pub fn task_type(&self) -> &TaskType {
        &self.task_type
    }

    /// Whether both may be members of one block.
    pub(super) fn goes_with(&self, other: &Self) -> bool {
        self.id.is_none()
            && other.id.is_none()
            && self.due == other.due
            && self.priority == other.priority
            && self.task_type == other.task_type
            && self.queue == other.queue
            && self.options == other.options
    }

    pub(super) fn size(&self) -> usize {
        self.payload.len()
    }
}
