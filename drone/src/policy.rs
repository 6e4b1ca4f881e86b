//! From a worker's verdict to the queue's outcome. Pure: time, chance and limits come in as values.

use std::{sync::Arc, time::Duration};

use skep_queue::{Block, BlockId, Cause, Due, Failure, Options, Outcome, Payloads, Priority, block};

use crate::worker::{FollowUp, Retry, Stop, Task, Verdict};

/// How tasks of a type are retried and given up.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Runs charged before a task is discarded, unless the task says otherwise.
    pub max_attempts: u16,
    /// How long to wait before the next.
    pub backoff: Backoff,
    /// Solitary crashes of the drone before a task is discarded as poison.
    pub poison_after: u8,
    /// What to do with a run whose claim may be another drone's.
    pub on_lease_lost: OnLeaseLost,
}

/// A delay that grows with the attempts: `base * attempt^power`, at most `max`, plus up to a tenth at random
/// so that what failed together is not retried together. Never earlier than that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The delay after the first attempt.
    pub base: Duration,
    /// How steeply it grows.
    pub power: u32,
    /// Where it stops.
    pub max: Duration,
}

/// What to do with work while its lease may have run out.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OnLeaseLost {
    /// Go on: another drone may run it too.
    #[default]
    Continue,
    /// Start nothing new.
    Finish,
    /// Stop what runs as well.
    Cancel,
}

/// What a verdict comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The task ends so.
    End(Outcome),
    /// It goes on as another link of its chain, on this drone.
    Next {
        /// The link to run.
        link: FollowUp,
        /// What enters the queue when the chain ends.
        carry: Vec<Block>,
    },
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_attempts: block::DEFAULT_MAX_ATTEMPTS,
            backoff: Backoff::default(),
            poison_after: 2,
            on_lease_lost: OnLeaseLost::default(),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), power: 4, max: Duration::from_secs(24 * 3600) }
    }
}

impl Backoff {
    /// The delay after `attempt` (from 1), for a `chance` from 0 to 1.
    #[must_use]
    pub fn delay(&self, attempt: u16, chance: f64) -> Duration {
        let seconds = self.base.as_secs_f64() * f64::from(attempt.max(1)).powi(self.power.cast_signed());
        Duration::from_secs_f64(seconds.min(self.max.as_secs_f64()) * (1.0 + chance / 10.0))
    }
}

/// Decides on a verdict. `chance` is a random number from 0 to 1.
#[must_use]
pub fn decide(task: &Task, stop: Option<Stop>, verdict: Verdict, policy: &Policy, chance: f64) -> Decision {
    Decision::End(match verdict {
        Verdict::Done { result, submit } => return done(task, result, submit, policy, chance),
        Verdict::Failed { failure, retry } => failed(task, failure, retry, policy, chance),
        Verdict::Snooze(after) => Outcome::Snooze { after },
        Verdict::NotStarted => Outcome::Release,
        Verdict::Stopped => stopped(stop),
    })
}

/// Decides on a task that was running when the drone died. One that ran inside the drone may have killed it:
/// it runs alone from then on, and each crash while alone counts towards poison.
#[must_use]
pub fn crashed(task: &Task, in_process: bool, policy: &Policy, chance: f64) -> Outcome {
    let suspect = if in_process { task.slot.suspect.saturating_add(1) } else { task.slot.suspect };
    if suspect > policy.poison_after {
        let text = format!("the drone died {} times while this task ran alone", suspect - 1);
        return Outcome::Discard { failure: Failure::new(Cause::Poison, text) };
    }
    let mut failure = Failure::new(Cause::Crashed, "the drone died while this task ran");
    failure.suspect = suspect;
    failed(task, failure, Retry::Policy, policy, chance)
}

fn failed(task: &Task, failure: Failure, retry: Retry, policy: &Policy, chance: f64) -> Outcome {
    let after = match retry {
        Retry::Never => None,
        Retry::Policy => Some(policy.backoff.delay(task.attempt, chance)),
        Retry::After(delay) => Some(delay.mul_f64(1.0 + chance / 10.0)),
    };
    match after {
        Some(after) if task.attempt < task.of => Outcome::Retry { failure, after },
        _ => Outcome::Discard { failure },
    }
}

fn stopped(stop: Option<Stop>) -> Outcome {
    match stop {
        Some(Stop::Cancelled) => {
            Outcome::Cancel { failure: Failure::new(Cause::Cancelled, "cancelled while it ran") }
        }
        Some(Stop::LeaseLost) => Outcome::Release,
        Some(Stop::Drained) | None => Outcome::Interrupt,
    }
}

fn done(
    task: &Task,
    result: Option<bytes::Bytes>,
    submit: Vec<FollowUp>,
    policy: &Policy,
    chance: f64,
) -> Decision {
    let (mut local, global): (Vec<_>, Vec<_>) = submit.into_iter().partition(|follow| follow.local);
    let mut blocks = task.slot.carry.to_vec();
    blocks.extend(follow_ups(task, &global));
    match (local.pop(), local.is_empty()) {
        (None, _) => Decision::End(Outcome::Complete { result, submit: blocks }),
        (Some(link), true) => Decision::Next { link, carry: blocks },
        (Some(_), false) => {
            let failure =
                Failure::new(Cause::Protocol, "a chain has one next link: only one follow-up may be local");
            Decision::End(failed(task, failure, Retry::Never, policy, chance))
        }
    }
}

/// Neighbours of one type share a block. Ids follow from the task's, so that a second run submits the same.
fn follow_ups(task: &Task, submit: &[FollowUp]) -> Vec<Block> {
    let mut step = task.slot.link << 16;
    let runs = submit.chunk_by(|a, b| a.task_type == b.task_type);
    let blocks = runs.flat_map(|run| {
        let like = Block {
            id: BlockId(task.id.0),
            queue: task.queue.clone(),
            task_type: run[0].task_type.clone(),
            priority: Priority::default(),
            due: Due::Now,
            options: Arc::new(Options::default()),
            payloads: Payloads::new(&[""]),
        };
        let payloads: Vec<_> = run.iter().map(|follow| follow.payload.clone()).collect();
        block::pack(&like, &payloads, || {
            step += 1;
            BlockId::derived(task.id, step)
        })
    });
    blocks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(task_type: &str, payload: &'static str) -> Task {
        let id = "01900000-0000-7000-8000-000000000000".parse().unwrap();
        Task::new(id, task_type.parse().unwrap(), payload.into())
    }

    fn end(task: &Task, stop: Option<Stop>, verdict: Verdict) -> Outcome {
        match decide(task, stop, verdict, &Policy::default(), 0.0) {
            Decision::End(outcome) => outcome,
            Decision::Next { .. } => panic!("the chain goes on"),
        }
    }

    fn attempt(attempt: u16, of: u16) -> Task {
        Task { attempt, of, ..task("t", "{}") }
    }

    #[test]
    fn failures_are_retried_later_and_later_until_the_last() {
        let after = |n| match end(&attempt(n, 25), None, Verdict::failed(Cause::Failed, "no")) {
            Outcome::Retry { after, .. } => after.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!([after(1), after(2), after(3), after(24)], [1, 16, 81, 86_400]);
        let last = end(&attempt(25, 25), None, Verdict::failed(Cause::Failed, "no"));
        assert!(matches!(last, Outcome::Discard { .. }));
        let never = end(&attempt(1, 25), None, Verdict::hopeless(Cause::Failed, "no"));
        assert!(matches!(never, Outcome::Discard { .. }));
        let jittered = Backoff::default().delay(2, 1.0);
        assert!(jittered > Duration::from_secs(16) && jittered <= Duration::from_secs_f64(17.6));
    }

    #[test]
    fn a_stop_is_charged_by_its_reason() {
        let stopped = |stop| end(&attempt(1, 25), stop, Verdict::Stopped);
        assert!(matches!(stopped(Some(Stop::Cancelled)), Outcome::Cancel { .. }));
        assert_eq!(stopped(Some(Stop::Drained)), Outcome::Interrupt);
        assert_eq!(stopped(Some(Stop::LeaseLost)), Outcome::Release);
        assert_eq!(end(&attempt(1, 1), None, Verdict::NotStarted), Outcome::Release);
        let snoozed = end(&attempt(25, 25), None, Verdict::Snooze(Duration::from_secs(9)));
        assert_eq!(snoozed, Outcome::Snooze { after: Duration::from_secs(9) });
    }

    #[test]
    fn a_task_that_kills_the_drone_twice_alone_is_poison() {
        let policy = Policy::default();
        let with = |suspect| {
            let mut task = attempt(1, 25);
            task.slot.suspect = suspect;
            task
        };
        let marked = |outcome: Outcome| outcome.failure().map(|failure| (failure.cause, failure.suspect));
        assert_eq!(marked(crashed(&with(0), true, &policy, 0.0)), Some((Cause::Crashed, 1)));
        assert_eq!(marked(crashed(&with(1), true, &policy, 0.0)), Some((Cause::Crashed, 2)));
        assert_eq!(marked(crashed(&with(2), true, &policy, 0.0)), Some((Cause::Poison, 0)));
        assert_eq!(marked(crashed(&with(0), false, &policy, 0.0)), Some((Cause::Crashed, 0)));
        assert!(matches!(crashed(&attempt(25, 25), false, &policy, 0.0), Outcome::Discard { .. }));
    }

    #[test]
    fn follow_ups_share_blocks_and_have_the_same_ids_in_every_run() {
        let follow =
            |name: &str, local| FollowUp { task_type: name.parse().unwrap(), payload: "1".into(), local };
        let done = |submit: Vec<FollowUp>| Verdict::Done { result: None, submit };
        let submit = vec![follow("a", false), follow("a", false), follow("b", false)];
        let parent = task("t", "{}");
        let blocks = |outcome| match outcome {
            Outcome::Complete { submit, .. } => submit,
            other => panic!("{other:?}"),
        };
        let first = blocks(end(&parent, None, done(submit.clone())));
        assert_eq!(first.iter().map(|block| block.payloads.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(first, blocks(end(&parent, None, done(submit))));

        let chain = vec![follow("a", false), follow("next", true)];
        match decide(&parent, None, done(chain), &Policy::default(), 0.0) {
            Decision::Next { link, carry } => assert_eq!((link.task_type.as_str(), carry.len()), ("next", 1)),
            Decision::End(other) => panic!("{other:?}"),
        }
        let two = end(&parent, None, done(vec![follow("x", true), follow("y", true)]));
        assert!(matches!(two, Outcome::Discard { .. }));
    }
}
