//! What a clause gets: an empty backend, the clock it lives by, and the words clauses are written in.

mod drone;

use std::{any::Any, future::Future, pin::Pin, sync::Arc, time::Duration};

pub use self::drone::{Drone, Handed, Verdict, cancel, discard, followed_by, retry};
use super::{Model, TestClock, TestRandom};
use crate::{
    Backend, Block, BlockId, Options, Payloads, QueueName, Rejection, Submission, Submitted, TaskId,
    TaskType,
    admin::{Act, Acted, Event, Filter, QueueView, Setting, State, TaskDetail, TaskView},
};

/// A handle on a backend, soon.
pub type Opening = Pin<Box<dyn Future<Output = Arc<dyn Backend>> + Send>>;

type Reopen = Arc<dyn Fn() -> Opening + Send + Sync>;

/// An empty backend, for one clause.
#[derive(Clone)]
pub struct Bench {
    /// What is tested.
    pub backend: Arc<dyn Backend>,
    /// The clock that the backend lives by.
    pub clock: Arc<TestClock>,
    /// For ids.
    pub random: Arc<TestRandom>,
    reopen: Option<Reopen>,
    kept: Option<Arc<dyn Any + Send + Sync>>,
}

impl Bench {
    /// A bench for a backend that was opened with this clock and is empty.
    pub fn new(backend: Arc<dyn Backend>, clock: Arc<TestClock>) -> Self {
        Self { backend, clock, random: TestRandom::new(1), reopen: None, kept: None }
    }

    /// A bench for the reference model.
    #[must_use]
    pub fn model() -> Self {
        let clock = TestClock::new();
        Self::of_model(Model::new(Arc::clone(&clock) as _), clock)
    }

    /// A bench for a model that was made with this clock.
    #[must_use]
    pub fn of_model(model: Model, clock: Arc<TestClock>) -> Self {
        let model = Arc::new(model);
        let other = Arc::clone(&model);
        let open = move || -> Opening {
            let again: Arc<dyn Backend> = Arc::new(other.again());
            Box::pin(std::future::ready(again))
        };
        Self::new(model, clock).reopening(open)
    }

    /// With a way to open the same store once more, as another process would.
    #[must_use]
    pub fn reopening(mut self, open: impl Fn() -> Opening + Send + Sync + 'static) -> Self {
        self.reopen = Some(Arc::new(open));
        self
    }

    /// With something that lives as long as the bench: a directory, a server.
    #[must_use]
    pub fn keeping(mut self, kept: impl Any + Send + Sync) -> Self {
        self.kept = Some(Arc::new(kept));
        self
    }

    /// The same store through another handle; this bench itself when the backend cannot.
    pub async fn reopen(&self) -> Self {
        let Some(open) = &self.reopen else { return self.clone() };
        Self { backend: open().await, ..self.clone() }
    }

    /// Time passes.
    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    // === Submitting ===

    /// A block for queue `default`, due now, with a new id.
    pub fn block<P: AsRef<[u8]>>(&self, task_type: &str, payloads: &[P]) -> Block {
        let one = Block::one(kind(task_type), "0", &*self.clock, &*self.random);
        Block { payloads: Payloads::new(payloads), ..one }
    }

    /// A block of `n` members, whose payloads are their ordinals.
    #[must_use]
    pub fn many(&self, task_type: &str, n: usize) -> Block {
        let payloads: Vec<String> = (0..n).map(|i| i.to_string()).collect();
        self.block(task_type, &payloads)
    }

    /// A block of one with options.
    pub fn with(&self, task_type: &str, set: impl FnOnce(&mut Options)) -> Block {
        let mut options = Options::default();
        set(&mut options);
        Block { options: Arc::new(options), ..self.many(task_type, 1) }
    }

    /// A block of one with a unique key.
    #[must_use]
    pub fn keyed(&self, task_type: &str, key: &str) -> Block {
        self.with(task_type, |options| options.unique_key = Some(key.to_owned()))
    }

    /// Submits one block.
    pub async fn submit(&self, block: &Block) -> Submitted {
        let answers = self.submit_all(std::slice::from_ref(block), false).await;
        answers.into_iter().next().expect("one answer")
    }

    /// Submits blocks in one call.
    pub async fn submit_all(&self, blocks: &[Block], partial: bool) -> Vec<Submitted> {
        let submission = Submission { blocks: blocks.to_vec(), partial };
        let answers = self.backend.submit(submission).await.expect("a submit is answered");
        assert_eq!(answers.len(), blocks.len(), "one answer a block");
        answers
    }

    /// Submits a block that must be accepted.
    pub async fn accept(&self, block: &Block) -> BlockId {
        assert_eq!(self.submit(block).await, Submitted::Accepted);
        block.id
    }

    /// Submits one task that must be accepted.
    pub async fn one(&self, task_type: &str) -> TaskId {
        self.accept(&self.many(task_type, 1)).await.task(0)
    }

    /// Submits a block that must be rejected, and says why it was.
    pub async fn reject(&self, block: &Block) -> Rejection {
        match self.submit(block).await {
            Submitted::Rejected(rejection) => rejection,
            other => panic!("expected a rejection, not {other:?}"),
        }
    }

    // === Looking ===

    /// A task with its payload and history, if it is kept.
    pub async fn detail(&self, id: TaskId) -> Option<TaskDetail> {
        self.backend.task(id).await.expect("a task is shown")
    }

    /// A task that must be kept.
    pub async fn view(&self, id: TaskId) -> TaskView {
        self.detail(id).await.unwrap_or_else(|| panic!("{id} is not kept")).view
    }

    /// The state of a task that must be kept.
    pub async fn state(&self, id: TaskId) -> State {
        self.view(id).await.state
    }

    /// What went wrong with a task that must be kept.
    pub async fn history(&self, id: TaskId) -> Vec<Event> {
        self.detail(id).await.unwrap_or_else(|| panic!("{id} is not kept")).history
    }

    /// Every task that is kept.
    pub async fn all(&self) -> Vec<TaskView> {
        self.find(Filter { limit: 100_000, ..Filter::default() }).await
    }

    /// Tasks that match.
    pub async fn find(&self, filter: Filter) -> Vec<TaskView> {
        self.backend.find(filter).await.expect("tasks are found")
    }

    /// How a queue looks, if there is one.
    pub async fn queue(&self, name: &str) -> Option<QueueView> {
        let queues = self.backend.queues().await.expect("queues are listed");
        queues.into_iter().find(|queue| queue.name.as_str() == name)
    }

    /// The number of tasks of queue `default` that are not terminal.
    pub async fn depth(&self) -> u64 {
        self.queue("default").await.map_or(0, |queue| queue.depth)
    }

    // === Steering ===

    /// Changes queue `default`.
    pub async fn set(&self, setting: Setting) {
        self.backend.set(QueueName::default(), None, setting).await.expect("a queue is set");
    }

    /// Changes a type of queue `default`.
    pub async fn set_type(&self, task_type: &str, setting: Setting) {
        let of = Some(kind(task_type));
        self.backend.set(QueueName::default(), of, setting).await.expect("a type is set");
    }

    /// Changes one task.
    pub async fn act(&self, act: Act, id: TaskId) -> Acted {
        let acted = self.backend.act(act, vec![id]).await.expect("a task is changed");
        acted.into_iter().next().expect("one answer")
    }

    /// A drone that has beaten once.
    pub async fn drone(&self, name: &str) -> Drone {
        let drone = Drone::new(self, name);
        drone.beat(&[]).await;
        drone
    }

    /// Lets `watcher` beat every ten seconds for so long, holding what it says.
    pub async fn watch(&self, watcher: &Drone, held: &[crate::ClaimId], seconds: u64) -> crate::Orders {
        let mut orders = watcher.beat(held).await;
        for _ in 0..seconds.div_ceil(10) {
            self.pass(10);
            orders = watcher.beat(held).await;
        }
        orders
    }
}

/// A task type.
#[must_use]
pub fn kind(name: &str) -> TaskType {
    name.parse().expect("a test's name is a name")
}
