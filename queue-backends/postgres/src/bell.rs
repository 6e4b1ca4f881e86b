//! Waking up. Whoever made work available, or gave an order, rings after its commit, and whoever waits looks
//! again. A ring carries nothing and may be lost: the poll is the truth.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use skep_queue::{Outcome, QueueName, Settlement, Submitted, TaskType};
use sqlx::{
    Arguments, Row,
    postgres::{PgArguments, PgListener},
};
use tokio::{sync::Notify, time::timeout};
use tokio_util::task::TaskTracker;

use crate::{error::Error, queue::PgQueue, store::Store};

mod pace;

use self::pace::{Gate, Pace, Ring};

const RING: &str = "select skep.ring()";
const AWAITS: &str = "select skep.awaits($1, $2)";
const CHANNEL: &str = "skep";

/// The longest that anybody waits in one call: whoever is told nothing looks by itself before that.
const WHILE: Duration = Duration::from_secs(15);
/// How long to do without a doorbell that could not be had.
const AGAIN: Duration = Duration::from_secs(5);

/// One listening connection, for all that wait in this process.
#[derive(Default)]
pub(crate) struct Bell {
    /// Made by the first that waits. Whoever has the lock listens, for all.
    line: tokio::sync::Mutex<Option<PgListener>>,
    /// Whether something was heard on it: only that shows that no pooler is in between.
    works: AtomicBool,
    /// When to ask for the connection again.
    again: Mutex<Duration>,
    /// How often it rang, as far as somebody has listened.
    rung: AtomicU64,
    heard: Notify,
    gate: Arc<Mutex<Gate>>,
    pace: Mutex<Pace>,
    /// Queues that were pumped here: what waits in others is nobody's in this process.
    pumped: Mutex<Vec<QueueName>>,
    /// Rings that wait for their time, and looks that nobody may wait for any more.
    tasks: TaskTracker,
}

/// Whether a submit's answer means that there is something new.
pub(crate) const fn is_news(answer: &Submitted) -> bool {
    matches!(answer, Submitted::Accepted | Submitted::Partly { .. })
}

/// Whether a settlement may make something available. (A postback is found by the poll, at the latest.)
pub(crate) fn makes_news(settlement: &Settlement) -> bool {
    settlement.endings.iter().any(|ending| match &ending.outcome {
        Outcome::Complete { submit, .. } => !submit.is_empty(),
        Outcome::Discard { .. } | Outcome::Cancel { .. } => false,
        Outcome::Retry { .. } | Outcome::Snooze { .. } | Outcome::Release | Outcome::Interrupt => true,
    })
}

impl PgQueue {
    /// Tells everybody who waits to look again. Not more often than a few times in a tenth of a second: what
    /// comes sooner is told together, a moment later.
    pub(crate) async fn ring(&self) {
        let asked = lock(&self.bell.gate).ask(self.store.clock.elapsed());
        match asked {
            Ring::Now => ring(&self.store).await,
            Ring::WithAnother => {}
            Ring::After(rest) => {
                let (store, gate) = (Arc::clone(&self.store), Arc::clone(&self.bell.gate));
                self.bell.tasks.spawn(async move {
                    tokio::time::sleep(rest).await;
                    // Before the ring: whoever commits from here on asks for another.
                    lock(&gate).opens(store.clock.elapsed());
                    ring(&store).await;
                });
            }
        }
    }

    /// Returns when a pump of these types may find something, or orders may wait; or after a while.
    pub(crate) async fn wait(&self, types: &[TaskType]) {
        if !types.is_empty() {
            let pause = lock(&self.bell.pace).pause();
            tokio::time::sleep(pause).await;
        }
        if timeout(WHILE, self.news(types)).await.is_ok() && !types.is_empty() {
            lock(&self.bell.pace).found();
        }
    }

    async fn news(&self, types: &[TaskType]) {
        loop {
            // The order matters: what comes after the look rings, and is heard.
            let since = self.bell.rung.load(Ordering::Acquire);
            let works = self.bell.works.load(Ordering::Relaxed);
            let poll = lock(&self.bell.pace).poll(works, self.store.random.fraction());
            let rest = if types.is_empty() {
                // Whoever waits for orders hears the bell; it need not be told that nothing came.
                if works { WHILE } else { poll }
            } else {
                match self.look(types).await {
                    Ok(Some(Duration::ZERO)) => return,
                    Ok(due) => due.map_or(poll, |due| due.min(poll)),
                    Err(_) => poll,
                }
            };
            if timeout(rest, self.bell.hear(&self.store, since)).await.is_ok() {
                return;
            }
            if types.is_empty() && !works {
                return;
            }
        }
    }

    /// How long until a pump of these types may find something, as far as can be seen.
    async fn look(&self, types: &[TaskType]) -> Result<Option<Duration>, Error> {
        let queues: Vec<String> = lock(&self.bell.pumped).iter().map(ToString::to_string).collect();
        let types: Vec<&str> = types.iter().map(|of| of.as_str()).collect();
        let mut arguments = PgArguments::default();
        arguments.add(queues).map_err(Error::unsendable)?;
        arguments.add(types).map_err(Error::unsendable)?;
        // Whoever waits may stop at any time. The call does not: its connection would be closed with it, and a
        // new one knows no plans.
        let store = Arc::clone(&self.store);
        let looked = self.bell.tasks.spawn(async move { store.call(AWAITS, arguments).await }).await;
        let rows = looked.map_err(|error| Error::Unreachable(error.to_string()))??;
        let due: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
        Ok(due.map(|micros| Duration::from_micros(micros.max(0).cast_unsigned())))
    }
}

async fn ring(store: &Store) {
    if let Err(error) = store.call(RING, PgArguments::default()).await {
        tracing::debug!(%error, "a ring was lost: the poll finds what it was for");
    }
}

// === impl Bell ===

impl Bell {
    /// A pump found something: more may follow.
    pub(crate) fn flows(&self) {
        lock(&self.pace).flows();
    }

    /// This queue is pumped here.
    pub(crate) fn pumps(&self, queue: &QueueName) {
        let mut pumped = lock(&self.pumped);
        if !pumped.contains(queue) {
            pumped.push(queue.clone());
        }
    }

    /// Returns when it has rung since then; never where no doorbell can be had.
    async fn hear(&self, store: &Store, since: u64) {
        loop {
            let mut heard = std::pin::pin!(self.heard.notified());
            // Before the look at the count, so that no ring falls between.
            heard.as_mut().enable();
            if self.rung.load(Ordering::Acquire) != since {
                return;
            }
            tokio::select! {
                () = heard => {}
                () = self.listen(store) => {}
            }
        }
    }

    /// Listens until it rings, for everybody here.
    async fn listen(&self, store: &Store) {
        let mut line = self.line.lock().await;
        if line.is_none() {
            let Some(made) = self.open(store).await else {
                drop(line);
                return std::future::pending().await;
            };
            *line = Some(made);
            // What is heard of this shows that the bell works, and makes everybody look who looked too soon.
            ring(store).await;
        }
        let Some(listener) = line.as_mut() else { return };
        match listener.try_recv().await {
            Ok(Some(_)) => {
                while listener.next_buffered().is_some() {}
                self.works.store(true, Ordering::Relaxed);
            }
            // The connection was lost: what rang meanwhile was not heard.
            Ok(None) | Err(_) => {
                *line = None;
                self.works.store(false, Ordering::Relaxed);
            }
        }
        self.rung.fetch_add(1, Ordering::Release);
        self.heard.notify_waiters();
    }

    async fn open(&self, store: &Store) -> Option<PgListener> {
        let pool = store.doorbell()?;
        let now = store.clock.elapsed();
        if now < *lock(&self.again) {
            return None;
        }
        let made = async {
            let mut listener = PgListener::connect_with(pool).await?;
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await?;
            Ok::<_, sqlx::Error>(listener)
        };
        match made.await {
            Ok(listener) => Some(listener),
            Err(error) => {
                *lock(&self.again) = now + AGAIN;
                tracing::debug!(%error, "no doorbell: new work is found by polling");
                None
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
