//! One process for one task.

use std::{
    future::pending,
    io,
    process::ExitStatus,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use skep_queue::{Cause, Failure};
use tokio::{io::AsyncReadExt, net::unix::pipe, time::timeout};

use super::Config;
use crate::{
    duration::Written,
    plumbing::{self, Child, Pipes, Recipe},
    worker::{
        Deps, Launch, Retry, Run, Task, Verdict,
        inlet::Inlet,
        ladder::{Ladder, Nudge, in_words, nudge},
        output::Log,
        process::pause,
        wire::MAX_RESULT,
    },
};

/// sysexits.h: try again.
const EX_TEMPFAIL: i32 = 75;
/// sysexits.h: the data is wrong, and will be.
const EX_DATAERR: i32 = 65;
/// How long the pipes of an ended process are read, in case another holds them open.
const DRAIN: Duration = Duration::from_secs(2);

pub(super) struct Once {
    config: Config,
    launch: Launch,
    name: Arc<str>,
    pub(super) deps: Deps,
    failures: AtomicU32,
    degraded: Mutex<Option<String>>,
}

/// How a process came to its end.
struct Ended {
    status: ExitStatus,
    /// What the drone did to it, if anything.
    nudge: Option<Nudge>,
    stdout: Vec<u8>,
    stderr: Option<String>,
}

impl Once {
    pub(super) fn new(config: Config, launch: Launch, name: &str, deps: Deps) -> Self {
        let (failures, degraded) = Default::default();
        Self { config, launch, name: name.into(), deps, failures, degraded }
    }

    pub(super) fn degraded(&self) -> Option<String> {
        self.degraded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs the task to its verdict.
    ///
    /// # Errors
    /// When no process could be started: how long to wait before the next try.
    pub(super) async fn run(&self, run: Run) -> Result<(), Duration> {
        let (child, pipes) = match self.spawn(run.task()).await {
            Ok(spawned) => spawned,
            Err(why) => {
                let pause = self.degrade(why);
                run.finish(Verdict::NotStarted);
                return Err(pause);
            }
        };
        self.failures.store(0, Ordering::Relaxed);
        *self.degraded.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let verdict = match self.attend(&run, child, pipes).await {
            Ok(ended) => verdict(&ended),
            Err(error) => Verdict::failed(Cause::Exited, format!("lost track of the process: {error}")),
        };
        run.finish(verdict);
        Ok(())
    }

    async fn spawn(&self, task: &Task) -> Result<(Child, Pipes), String> {
        let mut recipe = self.launch.recipe(&self.config.argv, &self.name, &self.deps.incarnation)?;
        describe(task, &mut recipe);
        let program = recipe.program.display().to_string();
        plumbing::spawn(recipe).await.map_err(|error| format!("cannot start {program}: {error}"))
    }

    fn degrade(&self, why: String) -> Duration {
        let pause = pause(self.failures.fetch_add(1, Ordering::Relaxed), self.deps.random.fraction());
        let why = format!("{why}; next try in {}", Written(pause));
        tracing::warn!(worker = &*self.name, "{why}");
        *self.degraded.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(format!("worker {}: {why}", self.name));
        pause
    }

    /// Three pumps from the start, so that no full pipe holds the process up.
    async fn attend(&self, run: &Run, mut child: Child, pipes: Pipes) -> io::Result<Ended> {
        let [out, err] = ["stdout", "stderr"].map(|stream| Log::new(&self.name, stream, &self.deps.clock));
        out.is_of(Some(run.task().id));
        err.is_of(Some(run.task().id));
        let mut inlet = Inlet::new(pipes.stdin);
        inlet.push(run.task().payload.clone());
        inlet.close();
        let mut stdout = Vec::new();
        let (status, nudge) = {
            let reads = async {
                tokio::join!(collect(pipes.stdout, &mut stdout), err.clone().pump(pipes.stderr));
            };
            tokio::pin!(reads);
            let mut all_read = false;
            let ended = tokio::select! {
                ended = self.until_exit(run, &mut child, &mut inlet) => ended,
                ended = async { (&mut reads).await; all_read = true; pending().await } => ended,
            };
            // Its exit ends it, not the end of its pipes: a grandchild may hold those.
            if !all_read {
                let _ = timeout(DRAIN, reads).await;
            }
            ended?
        };
        if result(&stdout).is_none() || !status.success() {
            out.whole(&stdout);
        }
        Ok(Ended { status, nudge, stdout, stderr: err.tail() })
    }

    async fn until_exit(
        &self,
        run: &Run,
        child: &mut Child,
        inlet: &mut Inlet,
    ) -> io::Result<(ExitStatus, Option<Nudge>)> {
        let mut ladder = Ladder::new(self.config.kill_after);
        let mut nudged = None;
        let nudge = nudge(run.stop().clone(), run.task().timeout);
        tokio::pin!(nudge);
        loop {
            tokio::select! {
                status = child.exited() => return Ok((status?, nudged)),
                why = &mut nudge, if nudged.is_none() => {
                    nudged = Some(why);
                    ladder.term(child);
                }
                () = ladder.due() => ladder.climb(child),
                () = inlet.write_on() => {}
            }
        }
    }
}

fn describe(task: &Task, recipe: &mut Recipe) {
    let about = [
        ("SKEP_TASK_ID", task.id.to_string()),
        ("SKEP_TASK_TYPE", task.task_type.to_string()),
        ("SKEP_ATTEMPT", task.attempt.to_string()),
        ("SKEP_OF", task.of.to_string()),
        ("SKEP_FENCE", task.fence.to_string()),
    ];
    recipe.env.extend(about.map(|(name, value)| (name.into(), value.into())));
}

/// Reads to the end, and keeps one byte more than a result may have.
async fn collect(mut pipe: pipe::Receiver, kept: &mut Vec<u8>) {
    let mut chunk = vec![0; 16 << 10];
    while let Ok(read @ 1..) = pipe.read(&mut chunk).await {
        let room = (MAX_RESULT + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..read.min(room)]);
    }
}

fn verdict(ended: &Ended) -> Verdict {
    match (ended.nudge, ended.status.code()) {
        // It has finished after all.
        (_, Some(0)) => done(&ended.stdout),
        (Some(Nudge::TimedOut(after)), _) => {
            failed(Cause::TimedOut, Retry::Policy, &format!("timed out after {}", Written(after)), ended)
        }
        (Some(_), _) => Verdict::Stopped,
        (None, Some(EX_TEMPFAIL)) => failed(Cause::Failed, Retry::Policy, "asked to be tried again", ended),
        (None, Some(EX_DATAERR)) => failed(Cause::Failed, Retry::Never, "will never succeed", ended),
        (None, Some(_)) => failed(Cause::Failed, Retry::Policy, "failed", ended),
        (None, None) => failed(Cause::Exited, Retry::Policy, "died", ended),
    }
}

fn done(stdout: &[u8]) -> Verdict {
    if stdout.len() > MAX_RESULT {
        let text = format!("stdout is more than the {MAX_RESULT} bytes of a result: send logs to stderr");
        return Verdict::failed(Cause::Protocol, text);
    }
    Verdict::Done { result: result(stdout), submit: Vec::new() }
}

/// Stdout, if all of it is one JSON value.
fn result(stdout: &[u8]) -> Option<Bytes> {
    let raw = serde_json::from_slice::<&serde_json::value::RawValue>(stdout).ok()?;
    Some(Bytes::copy_from_slice(raw.get().as_bytes()))
}

fn failed(cause: Cause, retry: Retry, what: &str, ended: &Ended) -> Verdict {
    let last = ended.stderr.as_ref().and_then(|tail| tail.lines().last());
    let last = last.map_or(String::new(), |last| format!(": {last}"));
    let text = match cause {
        Cause::TimedOut => what.to_owned(),
        _ => format!("{what} ({}){last}", in_words(ended.status)),
    };
    Verdict::Failed { failure: Failure::new(cause, text).detailed(None, ended.stderr.as_deref()), retry }
}
