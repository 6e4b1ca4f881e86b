//! One request under way, and the room that it takes on its link.

use std::sync::Arc;

use bytes::Bytes;
use skep_queue::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::callers::Ear;
use crate::{
    link::Sender,
    wire::{self, Answer, Reply, frame::NOTE},
};

/// Most bytes of requests and answers in flight on a link; then nothing more is read.
const BYTES: usize = 4 << 20;
/// Most requests in flight on a link, each at least this many of its bytes. Those that wait for something that
/// may take for ever are not counted.
const REQUESTS: usize = 64;
/// Most bytes of notes on their way out on a link; then notes are dropped.
const NOTES: usize = 4 << 20;

/// What a link has room for.
pub(super) struct Room {
    requests: Arc<Semaphore>,
    notes: Arc<Semaphore>,
}

/// A request that was read, and is answered once.
pub(super) struct Question {
    id: u32,
    to: Sender,
    requests: Arc<Semaphore>,
    notes: Arc<Semaphore>,
    held: Option<Arc<OwnedSemaphorePermit>>,
}

/// Where to say something on the way to an answer.
pub(super) struct Notes {
    id: u32,
    to: Sender,
    room: Arc<Semaphore>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { requests: Arc::new(Semaphore::new(BYTES)), notes: Arc::new(Semaphore::new(NOTES)) }
    }

    /// Takes room for a request of this size; waits while there is none.
    pub(super) async fn question(&self, id: u32, bytes: usize, to: Sender) -> Question {
        let (requests, notes) = (Arc::clone(&self.requests), Arc::clone(&self.notes));
        let mut question = Question { id, to, requests, notes, held: None };
        question.resume(bytes).await;
        question
    }
}

impl Question {
    /// Gives its room back, before it waits for something that may take for ever.
    pub(super) fn rest(&mut self) {
        self.held = None;
    }

    /// Takes room again, for an answer of about this size.
    pub(super) async fn resume(&mut self, bytes: usize) {
        let size = bytes.clamp(BYTES / REQUESTS, BYTES) as u32;
        self.held = Arc::clone(&self.requests).acquire_many_owned(size).await.ok().map(Arc::new);
    }

    /// Where to say something before the answer.
    pub(super) fn notes(&self) -> Notes {
        Notes { id: self.id, to: self.to.clone(), room: Arc::clone(&self.notes) }
    }

    /// Answers. The room is free when it has been written.
    pub(super) fn answer(self, answer: Result<Answer, Error>) {
        let reply = wire::encode(&Reply::from(answer));
        if let Ok(bytes) = reply.or_else(|error| wire::encode(&Reply::Error(error))) {
            self.to.send(self.id, 0, bytes, self.held);
        }
    }
}

impl Ear for Notes {
    fn hear(&self, note: Bytes) {
        let size = note.len().clamp(64, NOTES) as u32;
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(size) {
            self.to.send(self.id, NOTE, note, Some(Arc::new(permit)));
        }
    }
}
