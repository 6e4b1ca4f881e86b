//! A drone, as a queue sees it, and what it was handed, a task at a time.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{Bench, kind};
use crate::{
    Backend, Beat, BlockId, Cause, ClaimId, Claimed, Demand, DroneFacts, Ending, Failure, Incarnation, Mask,
    Options, Orders, Outcome, Priority, Pump, QueueName, Rejection, Settled, Settlement, TaskId, TaskType,
    Timestamp, beat::DEFAULT_TTL,
};

/// One incarnation of a drone that pumps queue `default`.
#[derive(Clone)]
pub struct Drone {
    /// Which start.
    pub incarnation: Incarnation,
    /// What it tells of itself: it serves `a`, `b` and `c`.
    pub facts: DroneFacts,
    /// What it pumps.
    pub queue: QueueName,
    bench: Bench,
}

/// One task of a claim. How a backend groups members into [`Claimed`] rows is its own affair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Its id.
    pub id: TaskId,
    /// Its block.
    pub block: BlockId,
    /// Its place in it.
    pub ordinal: u8,
    /// Under which it was handed out.
    pub claim: ClaimId,
    /// What routes it.
    pub task_type: TaskType,
    /// Where it waited.
    pub queue: QueueName,
    /// Lower is sooner.
    pub priority: Priority,
    /// Rises with every claim.
    pub fence: u32,
    /// Runs charged, claims lost, runs cut short.
    pub counters: (u16, u16, u16),
    /// Whether it may have killed its drone.
    pub suspect: u8,
    /// What few tasks set.
    pub options: Arc<Options>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// What it works on.
    pub payload: Bytes,
}

/// What a queue made of one member's ending.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of `Settled`")]
pub enum Verdict {
    Accepted,
    Already,
    Stale,
    Gone,
    Refused(Option<Rejection>),
}

impl Handed {
    /// A claim's rows as tasks, by id. Panics when a row contradicts itself.
    pub fn flatten(claimed: &[Claimed]) -> Vec<Self> {
        let mut tasks: Vec<Self> =
            claimed.iter().flat_map(|row| row.live.iter().map(|o| Self::of(row, o))).collect();
        tasks.sort_by_key(|task| (task.block, task.ordinal));
        let twice = tasks.windows(2).find(|w| (w[0].block, w[0].ordinal) == (w[1].block, w[1].ordinal));
        assert!(twice.is_none(), "a task twice in one answer: {twice:?}");
        tasks
    }

    fn of(row: &Claimed, ordinal: u8) -> Self {
        assert!(usize::from(ordinal) < row.payloads.len(), "no payload for member {ordinal}");
        Self {
            id: row.block.task(ordinal),
            block: row.block,
            ordinal,
            claim: row.claim,
            task_type: row.task_type.clone(),
            queue: row.queue.clone(),
            priority: row.priority,
            fence: row.fence,
            counters: (row.attempts, row.losses, row.interruptions),
            suspect: row.suspect,
            options: Arc::clone(&row.options),
            created_at: row.created_at,
            payload: row.payloads.get(ordinal),
        }
    }
}

impl Verdict {
    /// The verdicts on some members; panics when a member has none, or two.
    pub fn of(settled: &Settled, members: Mask) -> Vec<Self> {
        let of_member = |ordinal: u8| {
            let found = [
                (settled.accepted, Self::Accepted),
                (settled.already, Self::Already),
                (settled.stale, Self::Stale),
                (settled.gone, Self::Gone),
                (settled.refused, Self::Refused(settled.rejection.clone())),
            ];
            let mut found = found.into_iter().filter(|(mask, _)| mask.has(ordinal));
            let verdict = found.next().unwrap_or_else(|| panic!("no verdict on {ordinal}: {settled:?}"));
            assert!(found.next().is_none(), "two verdicts on {ordinal}: {settled:?}");
            verdict.1
        };
        members.iter().map(of_member).collect()
    }
}

impl Drone {
    /// A drone that nobody has heard of.
    #[must_use]
    pub fn new(bench: &Bench, name: &str) -> Self {
        let types = vec![kind("a"), kind("b"), kind("c")];
        let facts = DroneFacts { name: name.to_owned(), types, ..DroneFacts::default() };
        let incarnation = Incarnation::new(&*bench.random);
        Self { incarnation, facts, queue: QueueName::default(), bench: bench.clone() }
    }

    /// The same drone, speaking to another handle of the store.
    #[must_use]
    pub fn through(&self, bench: &Bench) -> Self {
        Self { bench: bench.clone(), ..self.clone() }
    }

    fn backend(&self) -> &dyn Backend {
        &*self.bench.backend
    }

    /// Beats.
    pub async fn beat(&self, held: &[ClaimId]) -> Orders {
        self.speak(held, false).await
    }

    /// Leaves.
    pub async fn leave(&self) -> Orders {
        self.speak(&[], true).await
    }

    async fn speak(&self, held: &[ClaimId], leaving: bool) -> Orders {
        let beat = Beat {
            drone: self.incarnation,
            queue: self.queue.clone(),
            ttl: DEFAULT_TTL,
            held: held.to_vec(),
            facts: self.facts.clone(),
            leaving,
        };
        self.backend().beat(beat).await.expect("a beat is answered")
    }

    /// Pumps one type under a new claim.
    pub async fn pump(&self, task_type: &str, room: usize) -> Vec<Handed> {
        self.pump_as(ClaimId::new(&*self.bench.random), &[(task_type, room)]).await
    }

    /// Pumps under a claim of one's choice.
    pub async fn pump_as(&self, claim: ClaimId, demands: &[(&str, usize)]) -> Vec<Handed> {
        let demand = |(task_type, room): &(&str, usize)| Demand { task_type: kind(task_type), room: *room };
        let demands = demands.iter().map(demand).collect();
        let pump = Pump { drone: self.incarnation, claim, queue: self.queue.clone(), demands };
        let claimed = self.backend().pump(pump).await.expect("a pump is answered");
        assert!(claimed.iter().all(|row| row.claim == claim), "another claim's tasks");
        Handed::flatten(&claimed)
    }

    /// Pumps one task, which must be there.
    pub async fn take(&self, task_type: &str) -> Handed {
        let mut tasks = self.pump(task_type, 1).await;
        assert_eq!(tasks.len(), 1, "one task of type {task_type}");
        tasks.remove(0)
    }

    /// Settles some members of a block alike.
    pub async fn settle_all(
        &self,
        claim: ClaimId,
        block: BlockId,
        members: Mask,
        outcome: Outcome,
    ) -> Settled {
        let settlement = Settlement { claim, block, endings: vec![Ending { members, outcome }] };
        let settled = self.backend().settle(vec![settlement]).await.expect("a settle is answered");
        assert_eq!(settled.len(), 1, "one answer a settlement");
        settled.into_iter().next().expect("counted")
    }

    /// Settles one task.
    pub async fn settle(&self, task: &Handed, outcome: Outcome) -> Verdict {
        let members = Mask::one(task.ordinal);
        let settled = self.settle_all(task.claim, task.block, members, outcome).await;
        Verdict::of(&settled, members).remove(0)
    }

    /// Settles one task lazily.
    pub async fn settle_lazily(&self, task: &Handed, outcome: Outcome) -> Verdict {
        let members = Mask::one(task.ordinal);
        let endings = vec![Ending { members, outcome }];
        let settlement = Settlement { claim: task.claim, block: task.block, endings };
        let settled = self.backend().settle_lazily(self.incarnation, vec![settlement]).await;
        Verdict::of(&settled.expect("a settle is answered")[0], members).remove(0)
    }

    /// Completes one task, which must be accepted.
    pub async fn complete(&self, task: &Handed) {
        assert_eq!(self.settle(task, Outcome::done()).await, Verdict::Accepted);
    }

    /// Ends one task with a failure of this kind, which must be accepted.
    pub async fn end(&self, task: &Handed, outcome: Outcome) {
        assert_eq!(self.settle(task, outcome).await, Verdict::Accepted);
    }
}

/// A failure to be tried again after so many seconds.
#[must_use]
pub fn retry(seconds: u64) -> Outcome {
    Outcome::Retry { failure: Failure::new(Cause::Failed, "no luck"), after: Duration::from_secs(seconds) }
}

/// A failure for good.
#[must_use]
pub fn discard() -> Outcome {
    Outcome::Discard { failure: Failure::new(Cause::Failed, "hopeless") }
}

/// Stopped by request.
#[must_use]
pub fn cancel() -> Outcome {
    Outcome::Cancel { failure: Failure::new(Cause::Cancelled, "asked to stop") }
}

/// Done, with follow-ups.
#[must_use]
pub fn followed_by(submit: Vec<crate::Block>) -> Outcome {
    Outcome::Complete { result: None, submit }
}
