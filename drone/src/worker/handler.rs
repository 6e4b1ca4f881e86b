//! In-process workers: async Rust functions, typed with serde.

use std::{
    collections::HashMap,
    fmt,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use serde::{Serialize, de::DeserializeOwned};
use skep_queue::{Cause, Failure, Holder, Receipt, TaskType};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{FollowUp, Headway, Retry, Run, Sink, StopSignal, Task, Verdict, Worker};

/// How long a handler that was asked to stop may go on before its future is dropped.
pub const DEFAULT_STOP_AFTER: Duration = Duration::from_secs(5);

type Future = Pin<Box<dyn std::future::Future<Output = Verdict> + Send>>;
type Handler = Arc<dyn Fn(Context) -> Future + Send + Sync>;

/// Runs handlers in the drone's own process, `hands` at a time.
pub struct HandlerWorker {
    hands: usize,
    free: Arc<Semaphore>,
    handlers: HashMap<TaskType, Handler>,
    stop_after: Duration,
    tracker: TaskTracker,
}

/// What a handler is given beside its payload.
#[derive(Clone)]
pub struct Context {
    task: Arc<Task>,
    stop: StopSignal,
    sink: Arc<dyn Sink>,
    submit: Arc<Mutex<Vec<FollowUp>>>,
}

/// Why a handler did not complete its task. Any error converts into one that is retried as the policy says.
#[derive(Debug)]
pub struct HandlerError(Verdict);

// === impl HandlerWorker ===

impl HandlerWorker {
    /// A worker without handlers yet, that runs up to `hands` tasks at once.
    #[must_use]
    pub fn new(hands: usize, tracker: TaskTracker) -> Self {
        let free = Arc::new(Semaphore::new(hands));
        Self { hands, free, handlers: HashMap::new(), stop_after: DEFAULT_STOP_AFTER, tracker }
    }

    /// Adds a handler: `P` is parsed from the payload, `R` becomes the result (unit for none).
    #[must_use]
    pub fn handle<P, R, E, F, Fut>(mut self, task_type: TaskType, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        E: Into<HandlerError>,
        F: Fn(P, Context) -> Fut + Send + Sync + 'static,
        Fut: std::future::Future<Output = Result<R, E>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let call = move |context: Context| -> Future {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let payload = match serde_json::from_slice::<P>(&context.task.payload) {
                    Ok(payload) => payload,
                    Err(error) => {
                        let text = format!("the payload does not fit the handler: {error}");
                        return Verdict::hopeless(Cause::Failed, text);
                    }
                };
                let submit = Arc::clone(&context.submit);
                match handler(payload, context).await {
                    Ok(result) => done(&result, &submit),
                    Err(error) => error.into().0,
                }
            })
        };
        self.handlers.insert(task_type, Arc::new(call));
        self
    }

    /// The types it has handlers for.
    #[must_use]
    pub fn types(&self) -> Vec<TaskType> {
        self.handlers.keys().cloned().collect()
    }
}

#[async_trait]
impl Worker for HandlerWorker {
    fn hands(&self) -> usize {
        self.hands
    }

    async fn ready(&self) -> usize {
        match self.free.acquire().await {
            Ok(_permit) => self.free.available_permits() + 1,
            Err(_closed) => std::future::pending().await,
        }
    }

    fn start(&self, runs: Vec<Run>) {
        for run in runs {
            let Some(handler) = self.handlers.get(&run.task().task_type).cloned() else {
                run.finish(Verdict::NotStarted);
                continue;
            };
            // Taken here, not in the task: the next `ready` must not count this hand.
            let Ok(hand) = Arc::clone(&self.free).try_acquire_owned() else {
                run.finish(Verdict::NotStarted);
                continue;
            };
            let stop_after = self.stop_after;
            self.tracker.spawn(async move {
                let verdict = bounded(&run, &handler, stop_after).await;
                run.finish(verdict);
                drop(hand);
            });
        }
    }

    fn in_process(&self) -> bool {
        true
    }

    fn degraded(&self) -> Option<String> {
        None
    }

    async fn stop(&self) {}
}

/// Runs a handler within its timeout, and for a while longer once it is asked to stop.
async fn bounded(run: &Run, handler: &Handler, stop_after: Duration) -> Verdict {
    let (task, stop) = (run.share(), run.stop().clone());
    let timeout = task.timeout;
    let context = Context { task, stop: stop.clone(), sink: run.sink(), submit: Arc::default() };
    let work = AssertUnwindSafe(async { handler(context).await }).catch_unwind();
    let patience = async {
        stop.stopped().await;
        tokio::time::sleep(stop_after).await;
    };
    let deadline = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        ended = work => match ended {
            Ok(Verdict::Failed { .. }) if stop.why().is_some() => Verdict::Stopped,
            Ok(verdict) => verdict,
            Err(panic) => Verdict::failed(Cause::Panicked, panic_text(&*panic)),
        },
        () = patience => Verdict::Stopped,
        () = deadline => {
            let seconds = timeout.unwrap_or_default().as_secs_f64();
            Verdict::failed(Cause::TimedOut, format!("ran longer than its timeout of {seconds} s"))
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the handler panicked: {}", text.unwrap_or("without a message"))
}

// === impl Context ===

impl Context {
    /// The task.
    #[must_use]
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Returns when the handler should stop: the task was cancelled, the drone drains and the grace is over,
    /// or the claim is lost. A handler that goes on is dropped at its next await, some seconds later.
    pub async fn stopped(&self) -> super::Stop {
        self.stop.stopped().await
    }

    /// Whether the handler should stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.why().is_some()
    }

    /// Tells whoever watches how it gets on: `ctx.progress(Headway::at(3, 10).note("page 3"))`. A hint, sent a few
    /// times a second at most; tell as often as you like.
    pub fn progress(&self, headway: Headway) {
        self.sink.heard(&self.task, headway);
    }

    /// Submits a follow-up when this task completes, in the same transaction.
    ///
    /// # Errors
    /// When the payload cannot be written as JSON.
    pub fn submit<P: Serialize>(&self, task_type: TaskType, payload: &P) -> Result<(), serde_json::Error> {
        self.follow(task_type, payload, false)
    }

    /// Goes on with another worker of this drone: the task is settled once, at the end of the chain, with
    /// the last link's result. A task has at most one next link.
    ///
    /// # Errors
    /// When the payload cannot be written as JSON.
    pub fn next<P: Serialize>(&self, task_type: TaskType, payload: &P) -> Result<(), serde_json::Error> {
        self.follow(task_type, payload, true)
    }

    fn follow<P: Serialize>(
        &self,
        task_type: TaskType,
        payload: &P,
        local: bool,
    ) -> Result<(), serde_json::Error> {
        let payload = serde_json::to_vec(payload)?.into();
        let mut submit = self.submit.lock().unwrap_or_else(PoisonError::into_inner);
        submit.push(FollowUp { task_type, payload, local });
        Ok(())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("task", &self.task).field("stop", &self.stop).finish_non_exhaustive()
    }
}

/// For `CompleteIn` of skep-postgres: a handler may end its task in its own transaction, together with what
/// it did there. What else would follow from the end of the task, the store of that transaction cannot know.
impl Holder for Context {
    fn receipt(&self) -> Result<Receipt, String> {
        let follows = !self.submit.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if follows || self.task.slot.link > 0 || !self.task.slot.carry.is_empty() {
            return Err(
                "a task with follow-ups, or in a chain, cannot be completed in a transaction: submit \
                        them there, by skep.submit"
                    .into(),
            );
        }
        let claim = self.task.slot.claim.ok_or("this task was not handed out by a queue")?;
        Ok(Receipt { task: self.task.id, claim })
    }
}

/// The verdict on a handler that returned well.
fn done<R: Serialize + 'static>(result: &R, submit: &Mutex<Vec<FollowUp>>) -> Verdict {
    let nothing = std::any::TypeId::of::<R>() == std::any::TypeId::of::<()>();
    let result =
        if nothing { Ok(None) } else { serde_json::to_vec(result).map(|json| Some(Bytes::from(json))) };
    let submit = std::mem::take(&mut *submit.lock().unwrap_or_else(PoisonError::into_inner));
    match result {
        Ok(result) => Verdict::Done { result, submit },
        Err(error) => Verdict::hopeless(Cause::Failed, format!("the result is not JSON: {error}")),
    }
}

// === impl HandlerError ===

impl HandlerError {
    /// Failed, and not to be tried again.
    pub fn never(error: impl std::fmt::Display) -> Self {
        Self(Verdict::hopeless(Cause::Failed, error.to_string()))
    }

    /// Failed, to be tried again after a delay, if attempts are left.
    pub fn retry_after(error: impl std::fmt::Display, delay: Duration) -> Self {
        let failure = Failure::new(Cause::Failed, error.to_string());
        Self(Verdict::Failed { failure, retry: Retry::After(delay) })
    }

    /// Not now, and no failure.
    #[must_use]
    pub const fn snooze(time: Duration) -> Self {
        Self(Verdict::Snooze(time))
    }

    /// Failed, to be tried again as the policy says.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self(Verdict::failed(Cause::Failed, error.to_string()))
    }
}

impl<E: std::error::Error> From<E> for HandlerError {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self(Verdict::failed(Cause::Failed, text))
    }
}
