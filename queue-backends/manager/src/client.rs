//! The client: a queue in front of a manager, over one link at a time.

pub mod address;
pub mod caller;
mod connect;
mod connection;
mod place;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use skep_queue::{
    Admin, Beat, Block, Claimed, Clock, Error, Failure, Incarnation, Orders, Outcome, Progress, Pump, Queue,
    QueueName, Random, Result, Settled, Settlement, Submission, Submitted, TaskId, TaskType,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, TaskDetail, TaskView},
};
use tokio::sync::broadcast;

pub use address::{Address, AddressError};
pub use caller::Client;
pub use connect::Event;
pub use place::Place;

use crate::wire::{Answer, End, Note, Request, view::Status};
use connect::Keeper;

/// Bytes of outcomes in one message, about.
const PORTION: usize = 4 << 20;
/// How long to wait for a link before one looks for work all the same.
const POLL: Duration = Duration::from_secs(1);

/// What an answer carries, if it is the one that was asked for.
macro_rules! expect {
    ($answer:expr, $variant:ident) => {
        match $answer {
            Answer::$variant(value) => Ok(value),
            _ => Err(odd()),
        }
    };
}

/// A manager, as a queue. Made once, it connects by itself, for ever; a call while there is no link answers
/// `Unavailable` at once, with the reason, and so does one whose link is lost before the answer. Nothing is
/// sent twice: whoever asks asks again, with the same ids.
pub struct Manager {
    keeper: Keeper,
    announces: bool,
    clock: Arc<dyn Clock>,
}

impl Manager {
    /// A manager at one of these places: the first that answers. Returns at once.
    #[must_use]
    pub fn new(places: Vec<Place>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { keeper: Keeper::start(places, Arc::clone(&clock), random), announces: false, clock }
    }

    /// The manager of a URL: see [`Address`]. Returns at once.
    ///
    /// # Errors
    /// When the URL is none, or its key cannot be read.
    pub fn open(url: &str, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self, AddressError> {
        Ok(Self::new(Address::parse(url)?.places()?, clock, random))
    }

    /// Repeats the last beat of each drone that speaks here on every new link, until it leaves: for the process of
    /// a drone. A manager takes one that lost its link for gone unless it speaks again soon, and hands out
    /// nothing after a start until the drones it knew have spoken; their next beat may be far off.
    #[must_use]
    pub const fn announcing(mut self) -> Self {
        self.announces = true;
        self
    }

    /// What becomes of the link from now on. Who is slow to look misses some.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.keeper.events()
    }

    /// Returns when there is a link.
    pub async fn ready(&self) {
        self.keeper.ready().await;
    }

    /// Answers how long the manager takes to answer.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn ping(&self) -> Result<Duration> {
        let connection = self.keeper.connection().await?;
        let begun = self.clock.elapsed();
        done(connection.ask(&Request::Ping).await?)?;
        Ok(self.clock.elapsed().saturating_sub(begun))
    }

    /// How the manager does.
    ///
    /// # Errors
    /// As every call.
    pub async fn status(&self) -> Result<Status> {
        let status = expect!(self.ask(Request::Status).await?, Status)?;
        Ok(*status)
    }

    /// Submits a block of one, and waits for its end for at most so long; hands on what is said of it meanwhile.
    /// Asked again with the same block it waits for what the first call submitted.
    ///
    /// # Errors
    /// As every call.
    pub async fn call(
        &self,
        block: Block,
        wait: Duration,
        note: impl FnMut(Note) + Send,
    ) -> Result<(Submitted, End)> {
        let connection = self.keeper.connection().await?;
        match connection.ask_noting(&Request::Call { block, wait }, note).await? {
            Answer::Called { submitted, end } => Ok((submitted, end)),
            _ => Err(odd()),
        }
    }

    /// Waits for the end of a task for at most so long; hands on what is said of it meanwhile.
    ///
    /// # Errors
    /// As every call.
    pub async fn collect(&self, id: TaskId, wait: Duration, note: impl FnMut(Note) + Send) -> Result<End> {
        let connection = self.keeper.connection().await?;
        expect!(connection.ask_noting(&Request::Collect { id, wait }, note).await?, Collected)
    }

    async fn ask(&self, request: Request) -> Result<Answer> {
        self.keeper.connection().await?.ask(&request).await
    }
}

/// An answer that belongs to another question.
fn odd() -> Error {
    Error::Unavailable("the manager answered something else".into())
}

/// Settlements, in order, a message's worth at a time.
fn portions(settlements: Vec<Settlement>) -> Vec<Vec<Settlement>> {
    let (mut portions, mut size) = (vec![Vec::new()], 0);
    for settlement in settlements {
        let bytes: usize = settlement.endings.iter().map(|ending| bytes_of(&ending.outcome)).sum();
        if size > 0 && size + bytes > PORTION {
            portions.push(Vec::new());
            size = 0;
        }
        size += bytes;
        if let Some(portion) = portions.last_mut() {
            portion.push(settlement);
        }
    }
    portions
}

/// The most of an outcome, and something for what is around it.
fn bytes_of(outcome: &Outcome) -> usize {
    let text = |failure: &Failure| failure.error.len() + failure.trace.as_ref().map_or(0, String::len);
    let most = match outcome {
        Outcome::Complete { result, submit } => {
            let follow: usize = submit.iter().map(|block| block.payloads.as_bytes().len()).sum();
            result.as_ref().map_or(0, |result| result.len()) + follow
        }
        _ => outcome.failure().map_or(0, text),
    };
    most + 256
}

/// The answer to what has none.
fn done(answer: Answer) -> Result<()> {
    match answer {
        Answer::Done => Ok(()),
        _ => Err(odd()),
    }
}

#[async_trait]
impl Queue for Manager {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        expect!(self.ask(Request::Submit(submission)).await?, Submitted)
    }
    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        expect!(self.ask(Request::Pump(pump)).await?, Claimed)
    }
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        let mut settled = Vec::with_capacity(settlements.len());
        // Each is settled on its own, so that more than one message holds goes in several.
        for settlements in portions(settlements) {
            settled.extend(expect!(self.ask(Request::Settle { settlements }).await?, Settled)?);
        }
        Ok(settled)
    }
    async fn beat(&self, beat: Beat) -> Result<Orders> {
        if self.announces {
            self.keeper.beats(&beat, self.clock.elapsed());
        }
        expect!(self.ask(Request::Beat(beat)).await?, Orders)
    }
    async fn arrival(&self, types: &[TaskType]) {
        match self.ask(Request::Arrival { types: types.to_vec() }).await {
            Ok(_) => {}
            Err(Error::Unavailable(_)) => drop(tokio::time::timeout(POLL, self.keeper.ready()).await),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
    async fn progress(&self, notes: Vec<Progress>) -> Result<()> {
        done(self.ask(Request::Progress { notes }).await?)
    }
}

#[async_trait]
impl Admin for Manager {
    async fn queues(&self) -> Result<Vec<QueueView>> {
        expect!(self.ask(Request::Queues).await?, Queues)
    }
    async fn find(&self, filter: Filter) -> Result<Vec<TaskView>> {
        let views = expect!(self.ask(Request::Find(filter)).await?, Found)?;
        views.into_iter().map(|view| view.try_into().map_err(|_| odd())).collect()
    }
    async fn task(&self, id: TaskId) -> Result<Option<TaskDetail>> {
        let detail = expect!(self.ask(Request::Task { id }).await?, Task)?;
        detail.map(|detail| detail.try_into().map_err(|_| odd())).transpose()
    }
    async fn act(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>> {
        expect!(self.ask(Request::Act { act, ids }).await?, Acted)
    }
    async fn set(&self, queue: QueueName, task_type: Option<TaskType>, setting: Setting) -> Result<()> {
        done(self.ask(Request::Set { queue, task_type, setting }).await?)
    }
    async fn drones(&self) -> Result<Vec<DroneView>> {
        expect!(self.ask(Request::Drones).await?, Drones)
    }
    async fn drain(&self, drone: Incarnation) -> Result<bool> {
        expect!(self.ask(Request::Drain { drone }).await?, Known)
    }
    async fn rescue(&self, drone: Incarnation) -> Result<bool> {
        expect!(self.ask(Request::Rescue { drone }).await?, Known)
    }
}
