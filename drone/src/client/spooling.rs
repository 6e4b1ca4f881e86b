//! What a client does with a spool: keeps there what its queue cannot take, and brings it to the queue later.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use skep_queue::{Backend, Clock, Error as QueueError, Random, Submission, Submitted};

use super::{
    Client, Error, Lane, NewTask, OnFull, Receipt, Result, Shared, is_open,
    pack::{pack, unpack},
    patience,
};
use crate::spool::{
    Held, Key, Spool,
    deliver::{Delivered, Delivery, End},
};

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

impl Client {
    /// With a spool for what the queue does not take; `url` is the backend's, and without its secrets says
    /// there whose it is. The drones and commands that are to deliver it must name the same backend and file;
    /// or [`flush`](Self::flush) does it.
    #[must_use]
    pub fn spool(mut self, spool: Spool, url: &str) -> Self {
        let Shared { backend, clock, random, .. } = self.shared.as_ref();
        let (backend, clock, random) = (backend.clone(), clock.clone(), random.clone());
        self.shared = Arc::new(Shared { backend, clock, random, spooling: Some(Spooling::new(spool, url)) });
        self.lane = Lane::new(self.shared.clone(), self.lane.on_down());
        self
    }

    /// Brings what is spooled for this backend to it, oldest first, up to about so many tasks.
    ///
    /// # Errors
    /// When there is no spool, or it cannot be used.
    pub async fn flush(&self, most: usize) -> Result<Delivered> {
        let Spooling { spool, key, .. } = self.shared.spooling()?;
        let queue = self.shared.backend.clone();
        let delivery = Delivery { spool: spool.clone(), key: key.clone(), queue };
        let done = delivery.some(most).await;
        let done = done.map_err(|error| skep_queue::Error::Refused(error.to_string()))?;
        if let End::Down(skep_queue::Error::Unavailable(why)) = &done.end {
            self.shared.spooling()?.is_down(why, self.shared.clock.as_ref(), self.shared.random.as_ref());
        }
        Ok(done)
    }

    /// Spools what found no room; answers all.
    pub(super) async fn spool_rest(
        &self,
        tasks: &[NewTask],
        partial: bool,
        mut answers: Vec<Option<Result<Receipt>>>,
    ) -> Result<Vec<Result<Receipt>>> {
        let open: Vec<usize> = (0..tasks.len()).filter(|i| is_open(answers[*i].as_ref())).collect();
        let why = open.first().and_then(|i| answers[*i].clone()?.err());
        if let Some(why) = why {
            let these: Vec<NewTask> = open.iter().map(|i| tasks[*i].clone()).collect();
            let kept = self.keep(&these, partial, why).await?;
            open.into_iter().zip(kept).for_each(|(i, answer)| answers[i] = Some(answer));
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Whether a rejection means the spool.
    pub(super) fn spools(&self, error: &Error) -> bool {
        self.on_full == OnFull::Spool && matches!(error, Error::Rejected(no) if no.reason.passes())
    }

    /// Spools tasks that the queue has rejected: it has nothing of them, so that their ids may be new.
    pub(super) async fn keep(
        &self,
        tasks: &[NewTask],
        partial: bool,
        why: Error,
    ) -> Result<Vec<Result<Receipt>>> {
        let blocks = pack(tasks, self.shared.clock.as_ref(), self.shared.random.as_ref());
        let submission = Submission { blocks, partial };
        let answers: Vec<Answer> = self.shared.spooling()?.keep(&submission, why).await?;
        Ok(unpack(&submission.blocks, answers))
    }
}

impl Shared {
    pub(super) fn spooling(&self) -> Result<&Spooling> {
        let none = || skep_queue::Error::Refused("there is no spool: name one with Client::spool".into());
        Ok(self.spooling.as_ref().ok_or_else(none)?)
    }
}
