//! The library for programs that give work away: queue it, call it, collect it later.
//!
//! ```no_run
//! # #[derive(serde::Serialize)] struct Photo { name: &'static str }
//! # #[derive(serde::Deserialize)] struct Thumb { width: u32 }
//! # async fn example() -> Result<(), skep_manager::client::caller::Error> {
//! use std::time::Duration;
//! use skep_manager::Client;
//!
//! let client = Client::connect("skep://queue.local/?key=/etc/skep/web.key").await?;
//! let photo = Photo { name: "cat.jpg" };
//! // Durable when it answers; runs when it runs.
//! let id = client.queue("resize", &photo).priority("low").delay(Duration::from_secs(60)).await?;
//! // Runs now; answers with what it came to.
//! let thumb: Thumb = client.call("resize", &photo, Duration::from_secs(30)).priority("high").await?;
//! let later: Thumb = client.collect(id, Duration::from_secs(120)).await?;
//! # Ok(()) }
//! ```
//!
//! Whoever is refused is told how full it is and when to try again, and keeps the work: see [`Retry`] and
//! [`Client::call_or`]. When a link is lost half-way the client asks again, with the same id, so that nothing is
//! there twice (for as long as its queue keeps what has ended).

mod asking;
mod error;
mod patience;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use skep_queue::{
    Block, Cause, Clock, Queue, Random, Submission, Submitted, TaskId,
    admin::State,
    block::OnLost,
    clock::{SystemClock, SystemRandom},
};

pub use asking::{Answering, Asking, Called, Queued};
pub use error::{Error, Result};
pub use patience::Retry;

use self::patience::{Patience, lull};
use super::{Event, Manager};
use crate::wire::{Answer, End, Note, Request, view::Status};

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long to look for a manager that answers, where no time is given with the call; 10 s.
    pub patience: Duration,
    /// What to do when a task is refused, unless the task says so itself; nothing.
    pub retry: Option<Retry>,
}

/// A program's way to a manager. Cheap to clone; clones share one link, which is there again after each loss.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    manager: Manager,
    random: Arc<dyn Random>,
    options: Options,
}

impl Default for Options {
    fn default() -> Self {
        Self { patience: Duration::from_secs(10), retry: None }
    }
}

impl Client {
    /// A client of the manager at a URL: see [`Address`](super::Address).
    ///
    /// # Errors
    /// [`Error::Invalid`] when the URL is none or its key cannot be read, [`Error::Unavailable`] when nobody
    /// answers there for 10 s.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, Options::default()).await
    }

    /// The same, with other options.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect_with(url: &str, options: Options) -> Result<Self> {
        let manager = Manager::open(url, Arc::new(SystemClock), Arc::new(SystemRandom));
        let manager = manager.map_err(|error| Error::Invalid(error.to_string()))?;
        let client = Self::of(manager, Arc::new(SystemRandom), options);
        client.ping().await?;
        Ok(client)
    }

    /// A client over a manager, which need not answer yet.
    #[must_use]
    pub fn of(manager: Manager, random: Arc<dyn Random>, options: Options) -> Self {
        Self { shared: Arc::new(Shared { manager, random, options }) }
    }

    /// The manager as a queue, for whatever else is to be asked of it.
    #[must_use]
    pub fn manager(&self) -> &Manager {
        &self.shared.manager
    }

    /// What becomes of the link from now on.
    #[must_use]
    pub fn events(&self) -> tokio::sync::broadcast::Receiver<Event> {
        self.shared.manager.events()
    }

    /// Submits a task; answers its id once it is durable.
    pub fn queue(&self, task_type: &str, payload: &(impl Serialize + ?Sized)) -> Asking<Queued> {
        Asking::new(self, task_type, payload, Queued)
    }

    /// Submits a task and waits for its result for at most `timeout` in all.
    pub fn call<T>(
        &self,
        task_type: &str,
        payload: &(impl Serialize + ?Sized),
        timeout: Duration,
    ) -> Asking<Called<'static, T>> {
        self.call_noting(task_type, payload, timeout, |_| {})
    }

    /// The same, and hands on what the task says on its way: how far it is, and parts of the result.
    pub fn call_noting<'a, T>(
        &self,
        task_type: &str,
        payload: &(impl Serialize + ?Sized),
        timeout: Duration,
        note: impl FnMut(Note) + Send + 'a,
    ) -> Asking<Called<'a, T>> {
        let asking = Asking::new(self, task_type, payload, Called::new(timeout, note));
        // The caller is told; nothing is silently run twice.
        asking.on_lost(OnLost::Fail)
    }

    /// Calls; when it is refused, since the system is full or has nobody to do it, does it here: awaits `local`,
    /// which nobody touches otherwise.
    ///
    /// # Errors
    /// As a call, but for [`Error::Rejected`].
    pub async fn call_or<T: DeserializeOwned>(
        &self,
        task_type: &str,
        payload: &(impl Serialize + ?Sized),
        timeout: Duration,
        local: impl Future<Output = T>,
    ) -> Result<T> {
        let call = self.call(task_type, payload, timeout);
        match call.await {
            Err(error) if error.is_rejection() => Ok(local.await),
            answer => answer,
        }
    }

    /// Waits for the result of a task for at most `timeout`; zero for a look.
    ///
    /// # Errors
    /// When it does not end well, or within the time, or is not kept.
    pub async fn collect<T: DeserializeOwned>(&self, id: TaskId, timeout: Duration) -> Result<T> {
        let mut asked = Asked::new(id, timeout, self.clock());
        let limit = timeout.max(self.shared.options.patience.min(Duration::from_secs(1)));
        let ended = tokio::time::timeout(limit, self.collected(&mut asked)).await;
        asking::value(id, ended.unwrap_or_else(|_| Err(asked.too_late()))?)
    }

    /// How long the manager takes to answer.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ping(&self) -> Result<Duration> {
        self.patiently(|| self.shared.manager.ping()).await
    }

    /// How the manager does.
    ///
    /// # Errors
    /// [`Error::Unavailable`], and [`Error::Refused`] when the key may not ask.
    pub async fn status(&self) -> Result<Status> {
        self.patiently(|| self.shared.manager.status()).await
    }

    fn clock(&self) -> &dyn Clock {
        &*self.shared.manager.clock
    }

    /// Asks until there is an answer, or patience is over.
    async fn patiently<T, F>(&self, ask: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = skep_queue::Result<T>>,
    {
        let mut why = "no answer".to_owned();
        let asking = async {
            let mut lost = 0;
            loop {
                match ask().await {
                    Err(skep_queue::Error::Unavailable(said)) => why = said,
                    answer => return Ok(answer?),
                }
                self.again(&mut lost).await;
            }
        };
        let answer = tokio::time::timeout(self.shared.options.patience, asking).await;
        answer.unwrap_or(Err(Error::Unavailable(why)))
    }

    /// Waits until there is a link again, and a little, since the manager itself may have lost its store.
    async fn again(&self, lost: &mut u32) {
        tokio::time::sleep(lull(*lost)).await;
        *lost = lost.saturating_add(1);
        self.shared.manager.ready().await;
    }

    async fn submit(&self, block: Block, retry: Option<Retry>) -> Result<TaskId> {
        let id = block.id.task(0);
        let mut patience = Patience::new(retry, self.clock(), &*self.shared.random);
        loop {
            let submission = Submission::whole(vec![block.clone()]);
            let answers = self.patiently(|| self.shared.manager.submit(submission.clone())).await?;
            match answers.into_iter().next() {
                Some(Submitted::Accepted | Submitted::Existing) => return Ok(id),
                Some(Submitted::Skipped { holder }) => return Ok(holder),
                Some(Submitted::Conflict { holder }) => return Err(Error::Conflict { holder }),
                Some(Submitted::Rejected(no) | Submitted::Partly { rejection: no, .. }) => {
                    if !(no.reason.passes() && patience.wait(no.retry_after).await) {
                        return Err(Error::Rejected(no));
                    }
                }
                None => return Err(Error::Unavailable("the manager answered nothing".into())),
            }
        }
    }

    async fn run(
        &self,
        block: Block,
        retry: Option<Retry>,
        timeout: Duration,
        note: &mut (dyn FnMut(Note) + Send),
    ) -> Result<Option<Bytes>> {
        let mut asked = Asked::new(block.id.task(0), timeout, self.clock());
        let called = self.called(&block, retry, &mut asked, note);
        let ended = tokio::time::timeout(timeout, called).await;
        ended.unwrap_or_else(|_| Err(asked.too_late()))
    }

    async fn called(
        &self,
        block: &Block,
        retry: Option<Retry>,
        asked: &mut Asked,
        note: &mut (dyn FnMut(Note) + Send),
    ) -> Result<Option<Bytes>> {
        let mut patience = Patience::new(retry, self.clock(), &*self.shared.random);
        loop {
            let call = |wait| Request::Call { block: block.clone(), wait };
            let Answer::Called { submitted, end } = self.answered(asked, call, note).await? else {
                return Err(odd());
            };
            match submitted {
                Submitted::Accepted | Submitted::Existing => return finish(asked.id, end),
                Submitted::Skipped { holder } => {
                    asked.id = holder;
                    return self.collected(asked).await;
                }
                Submitted::Conflict { holder } => return Err(Error::Conflict { holder }),
                Submitted::Rejected(no) | Submitted::Partly { rejection: no, .. } => {
                    asked.why = Some(Error::Rejected(no.clone()));
                    // It is known not to be there.
                    asked.sent = false;
                    if !(no.reason.passes() && patience.wait(no.retry_after).await) {
                        return Err(Error::Rejected(no));
                    }
                }
            }
        }
    }

    async fn collected(&self, asked: &mut Asked) -> Result<Option<Bytes>> {
        let id = asked.id;
        match self.answered(asked, |wait| Request::Collect { id, wait }, &mut |_| {}).await? {
            Answer::Collected(end) => finish(id, end),
            _ => Err(odd()),
        }
    }

    /// Asks until there is an answer, over as many links as it takes.
    async fn answered(
        &self,
        asked: &mut Asked,
        request: impl Fn(Duration) -> Request,
        note: &mut (dyn FnMut(Note) + Send),
    ) -> Result<Answer> {
        let mut lost = 0;
        loop {
            let answer = match self.shared.manager.keeper.connection().await {
                Ok(link) => {
                    asked.sent = true;
                    let left = asked.end.saturating_sub(self.clock().elapsed());
                    link.ask_noting(&request(left), &mut *note).await
                }
                Err(error) => Err(error),
            };
            match answer {
                Err(skep_queue::Error::Unavailable(why)) => asked.why = Some(Error::Unavailable(why)),
                answer => return Ok(answer?),
            }
            self.again(&mut lost).await;
        }
    }
}

/// A task that somebody waits for.
struct Asked {
    id: TaskId,
    /// When it is too late, by the clock's `elapsed`.
    end: Duration,
    /// Whether it may be there.
    sent: bool,
    /// Why there is no answer yet.
    why: Option<Error>,
}

impl Asked {
    fn new(id: TaskId, timeout: Duration, clock: &dyn Clock) -> Self {
        Self { id, end: clock.elapsed().saturating_add(timeout), sent: false, why: None }
    }

    fn too_late(self) -> Error {
        match self.why {
            Some(why) if !self.sent => why,
            None if !self.sent => Error::Unavailable("no answer".into()),
            _ => Error::TimedOut { id: self.id },
        }
    }
}

/// What an end is to whoever waited for it.
fn finish(id: TaskId, end: End) -> Result<Option<Bytes>> {
    match end {
        End::Over { state: State::Completed, result, .. } => Ok(result),
        End::Over { state: State::Discarded, cause: Some(Cause::Lost), .. } => Err(Error::Lost { id }),
        End::Over { state, error, cause, .. } => {
            Err(Error::Failed { id, state, error: error.unwrap_or_default(), cause })
        }
        End::Waiting => Err(Error::TimedOut { id }),
        End::NotKept => Err(Error::NotKept { id }),
    }
}

fn odd() -> Error {
    Error::Unavailable("the manager answered something else".into())
}
