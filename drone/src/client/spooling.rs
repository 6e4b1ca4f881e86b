//! What a client does with a spool: keeps there what its queue cannot take, and brings it to the queue later.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use skep_queue::{Backend, Clock, Error as QueueError, Random, Submission, Submitted};

use super::{Error, Result, patience};
use crate::spool::{Held, Key, Spool};

/// How long a queue has to answer before it counts as out of reach.
const REACH: Duration = Duration::from_secs(2);

/// A spool, and whether it makes sense to ask the queue first.
pub(super) struct Spooling {
    pub(super) spool: Spool,
    pub(super) key: Key,
    down: Mutex<Down>,
}

/// What is known of a queue that did not answer: nobody waits for it again so soon.
#[derive(Default)]
struct Down {
    tries: u32,
    until: Duration,
    why: String,
}

/// What became of a block: an answer of the queue, or one of the spool.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Queue(Submitted),
    /// With the queue's own reason.
    Spool(Held, Error),
}

impl Spooling {
    pub(super) fn new(spool: Spool, url: &str) -> Self {
        Self { spool, key: Key::of(url), down: Mutex::default() }
    }

    /// One call, not longer than a moment; none at all when the last one failed just now.
    pub(super) async fn reach(
        &self,
        backend: &dyn Backend,
        submission: &Submission,
        (clock, random): (&dyn Clock, &dyn Random),
    ) -> Result<Vec<Submitted>, QueueError> {
        {
            let down = self.down();
            if clock.elapsed() < down.until {
                return Err(QueueError::Unavailable(down.why.clone()));
            }
        }
        let call = tokio::time::timeout(REACH, backend.submit(submission.clone())).await;
        let slow = || QueueError::Unavailable(format!("no answer within {} s", REACH.as_secs()));
        let answer = call.unwrap_or_else(|_| Err(slow()));
        match &answer {
            Err(QueueError::Unavailable(why)) => self.is_down(why, clock, random),
            _ => *self.down() = Down::default(),
        }
        answer
    }

    /// Notes that the queue did not answer.
    pub(super) fn is_down(&self, why: &str, clock: &dyn Clock, random: &dyn Random) {
        let mut down = self.down();
        down.tries = down.tries.saturating_add(1);
        down.until = clock.elapsed() + patience::pause(down.tries, random);
        why.clone_into(&mut down.why);
    }

    /// Keeps what the queue did not take, for the reason that it gave.
    pub(super) async fn keep(&self, submission: &Submission, why: Error) -> Result<Vec<Answer>> {
        match self.spool.keep(&self.key, submission).await {
            Ok(held) => Ok(held.into_iter().map(|held| Answer::Spool(held, why.clone())).collect()),
            Err(error) => Err(Error::Spool { spool: error.to_string(), why: Box::new(why) }),
        }
    }

    fn down(&self) -> MutexGuard<'_, Down> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
