//! A process's stdin. Nothing here waits for the process: what it does not read stays queued, and whoever
//! queues is bounded by the tasks in flight.

use std::{collections::VecDeque, future::pending};

use bytes::{Buf, Bytes};
use tokio::net::unix::pipe;

pub(super) struct Inlet {
    pipe: Option<pipe::Sender>,
    waiting: VecDeque<Bytes>,
    closing: bool,
}

impl Inlet {
    pub(super) fn new(pipe: pipe::Sender) -> Self {
        Self { pipe: Some(pipe), waiting: VecDeque::new(), closing: false }
    }

    /// Writes what the pipe takes now, and queues the rest.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if self.pipe.is_some() {
            self.waiting.push_back(bytes);
            self.flush();
        }
    }

    /// End of file, once everything is written.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.flush();
    }

    /// Writes on when the pipe takes more; never returns while nothing waits. Safe to drop.
    pub(super) async fn write_on(&mut self) {
        match &self.pipe {
            Some(pipe) if !self.waiting.is_empty() => {
                // An error shows in the write.
                let _ = pipe.writable().await;
                self.flush();
            }
            _ => pending().await,
        }
    }

    fn flush(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        while let Some(bytes) = self.waiting.front_mut() {
            match pipe.try_write(bytes) {
                Ok(written) => bytes.advance(written),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // A process may close its stdin, or be gone: its exit or its deadline says the rest.
                Err(_) => {
                    self.waiting.clear();
                    self.closing = true;
                    break;
                }
            }
            if bytes.is_empty() {
                self.waiting.pop_front();
            }
        }
        if self.closing {
            self.pipe = None;
        }
    }
}
