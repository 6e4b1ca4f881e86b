//! Who is let in.
//!
//! The store counts, so that the bound is exact whoever submits; the manager tells it what the bound is. A number
//! is told once. A bound that follows the hands is told again when the hands change, before the drone that
//! changed them is answered. What the store refuses goes out with how long the wait would be.

pub mod bound;
mod figures;
mod rules;
mod tell;
mod waits;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use skep_queue::{
    Backend, Beat, Block, BlockId, Claimed, Clock, Due, Outcome, QueueName, Reason, Rejection, Result,
    Settlement, Submission, Submitted, TaskType,
};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

use self::{
    bound::{Bound, Limits},
    figures::Crew,
    rules::Rules,
    waits::Waits,
};

/// How often bounds that follow the hands, or the waits, are looked at without a cause.
const OFTEN: Duration = Duration::from_secs(1);

/// How fast work is done.
pub(super) trait Pace: Send + Sync {
    /// The mean time of a run of a queue's tasks, or of those of one type, in seconds; `None` without history.
    fn mean(&self, queue: &QueueName, task_type: Option<&TaskType>) -> Option<f64>;
}

/// Sees to the bounds of the queues.
pub(super) struct Admission {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    pace: Arc<dyn Pace>,
    all: Limits,
    named: BTreeMap<QueueName, Limits>,
    known: Mutex<Known>,
    /// Whoever tells the store of bounds; one at a time, and how often that was asked for and has been done.
    telling: tokio::sync::Mutex<()>,
    asked: AtomicU64,
    told: AtomicU64,
    /// Somebody went.
    changed: Notify,
}

/// What is known, and has been told.
#[derive(Default)]
struct Known {
    crew: Crew,
    rules: BTreeMap<QueueName, Rules>,
    waits: Waits,
    refused: BTreeMap<&'static str, u64>,
}

/// How a queue stands, or one type of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Standing {
    /// What makes its limit; absent when that is not this manager.
    pub(super) bound: Option<Bound>,
    pub(super) hands: usize,
    /// What a new task may expect to wait; absent while that is not known.
    pub(super) wait: Option<Duration>,
}

/// What a submission asked for, kept while the store looks at it.
pub(super) struct Offer {
    partial: bool,
    blocks: Vec<Offered>,
}

struct Offered {
    block: BlockId,
    queue: QueueName,
    task_type: TaskType,
    tasks: usize,
    now: bool,
}

impl Offer {
    pub(super) fn of(submission: &Submission) -> Self {
        let offered = |block: &Block| Offered {
            block: block.id,
            queue: block.queue.clone(),
            task_type: block.task_type.clone(),
            tasks: block.payloads.len(),
            now: block.due == Due::Now,
        };
        Self { partial: submission.partial, blocks: submission.blocks.iter().map(offered).collect() }
    }
}

impl Admission {
    pub(super) fn new(
        backend: &Arc<dyn Backend>,
        clock: &Arc<dyn Clock>,
        pace: Arc<dyn Pace>,
        config: &super::Config,
    ) -> Arc<Self> {
        Arc::new(Self {
            backend: Arc::clone(backend),
            clock: Arc::clone(clock),
            pace,
            all: config.limits.clone(),
            named: config.queues.clone(),
            known: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
            asked: AtomicU64::new(0),
            told: AtomicU64::new(0),
            changed: Notify::new(),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // === What passes ===

    /// Sees to it that every queue of an offer has its bound, before its first task.
    pub(super) async fn open(&self, offer: &Offer) -> Result<()> {
        let strange = self.strange(offer.blocks.iter().map(|block| &block.queue));
        self.meet(strange).await
    }

    /// The same for what follows from endings.
    pub(super) async fn follow(&self, settlements: &[Settlement]) -> Result<()> {
        let outcomes = settlements.iter().flat_map(|settlement| &settlement.endings);
        let blocks = outcomes.flat_map(|ending| match &ending.outcome {
            Outcome::Complete { submit, .. } => submit.as_slice(),
            _ => &[],
        });
        let strange = self.strange(blocks.map(|block| &block.queue));
        self.meet(strange).await
    }

    /// Those that have not been met.
    fn strange<'a>(&self, queues: impl Iterator<Item = &'a QueueName>) -> Vec<QueueName> {
        let (known, mut strange) = (self.known(), Vec::new());
        let mut last = None;
        for queue in queues {
            if last != Some(queue) && !known.rules.contains_key(queue) && !strange.contains(queue) {
                strange.push(queue.clone());
            }
            last = Some(queue);
        }
        strange
    }

    /// The store has answered an offer: what it refused gets the wait to expect.
    pub(super) fn judged(&self, offer: &Offer, answers: &mut [Submitted]) {
        let now = self.clock.elapsed();
        let mut known = self.known();
        for (i, answer) in answers.iter_mut().enumerate() {
            let Some(offered) = offer.blocks.get(i) else { break };
            let (rejection, refused) = match answer {
                Submitted::Accepted => {
                    if offered.now {
                        known.waits.begin(offered.block, now);
                    }
                    continue;
                }
                Submitted::Rejected(rejection) => (rejection, offered.tasks),
                Submitted::Partly { accepted, rejection } => (rejection, offered.tasks - *accepted),
                _ => continue,
            };
            let refuser = known.refuser(offer, i, rejection);
            self.explain(&known, refuser, rejection);
            *known.refused.entry(rejection.reason.as_str()).or_default() += refused as u64;
        }
    }

    /// Says how long the wait is, or that there is nobody to wait for.
    fn explain(&self, known: &Known, of: &Offered, rejection: &mut Rejection) {
        let task_type = match rejection.reason {
            Reason::QueueFull => None,
            Reason::TypeFull => Some(&of.task_type),
            _ => return,
        };
        let hands = known.crew.hands(&of.queue, task_type);
        if hands == 0 && known.bound(&of.queue, task_type).is_some_and(Bound::is_relative) {
            let who = task_type.map(|task_type| format!(" that serves {task_type}"));
            rejection.detail = format!("no drone{} pumps queue {}", who.unwrap_or_default(), of.queue);
            rejection.reason = Reason::NoWorker;
        }
        let mean = self.pace.mean(&of.queue, task_type);
        rejection.retry_after = Some(figures::retry_after(rejection.depth, hands, mean));
    }

    /// Tasks were handed out.
    pub(super) fn handed(&self, claimed: &[Claimed]) {
        let now = self.clock.elapsed();
        self.known().waits.end(claimed, now);
    }

    /// A drone has beaten: whatever that changes is so before it is answered. The store that cannot be told is
    /// told later.
    pub(super) async fn beaten(&self, beat: &Beat) {
        let news = self.known().crew.is_news(beat);
        if news {
            self.refresh().await;
        }
    }

    // === How it stands ===

    pub(super) fn standing(&self, queue: &QueueName, task_type: Option<&TaskType>, depth: u64) -> Standing {
        let (hands, mean) = self.figures(queue, task_type);
        let (bound, wait) = (self.known().bound(queue, task_type), figures::wait(depth, hands, mean));
        Standing { bound, hands, wait }
    }

    /// The mean wait from a submit to the hand-out, in seconds.
    pub(super) fn mean_wait(&self, queue: &QueueName) -> Option<f64> {
        self.known().waits.mean(queue)
    }

    /// How many tasks were refused, by reason.
    pub(super) fn refused(&self) -> BTreeMap<String, u64> {
        self.known().refused.iter().map(|(reason, tasks)| ((*reason).to_owned(), *tasks)).collect()
    }

    // === What goes on ===

    /// The drones that live have changed.
    pub(super) fn changed(&self) {
        self.changed.notify_one();
    }

    /// Looks at who lives, and tells the store what that makes of the bounds.
    pub(super) async fn refresh(&self) {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let _one = self.telling.lock().await;
        if self.told.load(Ordering::SeqCst) >= asked {
            return;
        }
        let all = self.asked.load(Ordering::SeqCst);
        match self.tell().await {
            Ok(()) => self.told.store(all, Ordering::SeqCst),
            Err(error) => tracing::warn!(%error, "the store could not be told of the bounds"),
        }
    }

    /// Keeps bounds what hands and waits make them, until told to stop.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let keep = async {
            let mut went = false;
            loop {
                let strange = self.strange(self.named.keys());
                if let Err(error) = self.meet(strange).await {
                    tracing::warn!(%error, "the store could not be told of the bounds");
                }
                let follows = self.known().follows();
                if went || follows {
                    self.refresh().await;
                }
                self.known().waits.sweep(self.clock.elapsed());
                went = timeout(OFTEN, self.changed.notified()).await.is_ok();
            }
        };
        stop.run_until_cancelled(keep).await;
    }
}

impl Known {
    /// Whose bound refused: a call that is all or nothing answers the same for every block.
    fn refuser<'a>(&self, offer: &'a Offer, at: usize, rejection: &Rejection) -> &'a Offered {
        let of_type = rejection.reason == Reason::TypeFull;
        let limit = |offered: &Offered| {
            let rules = self.rules.get(&offered.queue);
            rules.and_then(|rules| rules.limit(of_type.then_some(&offered.task_type)))
        };
        let own = &offer.blocks[at];
        let is_it = |offered: &&Offered| limit(offered) == Some(rejection.limit);
        if offer.partial || is_it(&own) { own } else { offer.blocks.iter().find(is_it).unwrap_or(own) }
    }
}
