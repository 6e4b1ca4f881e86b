//! Workloads that claim and settle without a drone, turn by turn: what the queue itself costs, as a ratio of two
//! stretches of one run.

use std::time::Duration;

use skep_queue::{
    ClaimId, Claimed, Demand, Ending, Error, Incarnation, Outcome, Pump, Settlement, admin::Setting,
};

use super::{Bench, Figure, queue, refused, server::micros, task_type};

/// Tasks in one claim.
const ROOM: usize = 1000;
/// The large backlog, the small one, and how many tasks are taken from either.
const MANY: usize = 1_000_000;
const FEW: usize = 10_000;
const TAKEN: usize = 100_000;
/// Claims before a measured stretch, after which a queue may take it for a drain at full speed; and in it.
const WARM: usize = 21;
const CLAIMS: usize = 40;
/// Pairs of a comparison.
const PAIRS: usize = 4;

/// What some turns took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Turns {
    tasks: usize,
    time: Duration,
    /// Of the server, in claims alone.
    claim_cpu: Option<Duration>,
}

impl Turns {
    fn and(self, more: Self) -> Self {
        let claim_cpu = self.claim_cpu.into_iter().chain(more.claim_cpu).reduce(|a, b| a + b);
        Self { tasks: self.tasks + more.tasks, time: self.time + more.time, claim_cpu }
    }

    fn rate(self) -> f64 {
        self.tasks as f64 / self.time.as_secs_f64().max(1e-9)
    }
}

impl Bench {
    /// At a backlog of a million, against one of ten thousand; blocks of one.
    pub(super) async fn backlog(&self) -> Result<Figure, Error> {
        let begun = self.clock.elapsed();
        let mut small = Turns::default();
        for _ in 0..TAKEN / FEW {
            self.submit_calls(&self.blocks(FEW, true)).await?;
            small = small.and(self.turns(FEW / ROOM).await?);
        }
        for _ in 0..MANY / TAKEN {
            self.submit_calls(&self.blocks(TAKEN, true)).await?;
        }
        let large = self.turns(TAKEN / ROOM).await?;
        self.empty().await?;
        let figure = self.figure("backlog", small.tasks + MANY, self.clock.elapsed() - begun);
        let figure = figure.with("rate_10k", small.rate()).with("rate_1m", large.rate());
        Ok(figure.with("rate_ratio", large.rate() / small.rate()).compared(small, large))
    }

    /// While somebody's snapshot keeps 100,000 tasks that have ended, against before; blocks of one.
    pub(super) async fn snapshot(&self) -> Result<Figure, Error> {
        let meter = self.meter.as_ref().ok_or_else(|| refused("a snapshot needs a server"))?;
        let begun = self.clock.elapsed();
        let stretch = async || {
            self.submit_calls(&self.blocks((WARM + CLAIMS) * ROOM, true)).await?;
            self.turns(WARM).await?;
            self.turns(CLAIMS).await
        };
        let fresh = stretch().await?;
        let held = meter.snapshot().await?;
        self.submit_calls(&self.blocks(TAKEN, true)).await?;
        self.empty().await?;
        let aged = stretch().await?;
        drop(held);
        let tasks = 2 * (WARM + CLAIMS) * ROOM + TAKEN;
        Ok(self.figure("snapshot", tasks, self.clock.elapsed() - begun).compared(fresh, aged))
    }

    /// Within a capacity, against without, in turns.
    pub(super) async fn capacity(&self) -> Result<Figure, Error> {
        let tasks = self.config.tasks;
        let begun = self.clock.elapsed();
        let (mut submits, mut drains) = ([Duration::ZERO; 2], [Duration::ZERO; 2]);
        for pair in 0..2 * PAIRS {
            let bound = pair % 2;
            let capacity = (bound == 1).then_some(2 * tasks as u64);
            self.backend.set(queue(), None, Setting::Capacity(capacity)).await?;
            submits[bound] += self.submit_calls(&self.blocks(tasks / PAIRS, false)).await?;
            drains[bound] += self.empty().await?.time;
        }
        self.backend.set(queue(), None, Setting::Capacity(None)).await?;
        let ratio = |times: [Duration; 2]| times[0].as_secs_f64() / times[1].as_secs_f64().max(1e-9);
        let figure = self.figure("capacity", 2 * (tasks / PAIRS) * PAIRS, self.clock.elapsed() - begun);
        Ok(figure.with("submit_ratio", ratio(submits)).with("drain_ratio", ratio(drains)))
    }

    /// Claims and settles until nothing is left.
    pub(super) async fn empty(&self) -> Result<Turns, Error> {
        self.turns(usize::MAX).await
    }

    /// Claims and settles so many times, or until nothing is left.
    async fn turns(&self, most: usize) -> Result<Turns, Error> {
        let drone = Incarnation::new(&*self.random);
        let mut turns = Turns { claim_cpu: self.cpu().await?.map(|_| Duration::ZERO), ..Turns::default() };
        for _ in 0..most {
            let (begun, used) = (self.clock.elapsed(), self.cpu().await?);
            let demands = vec![Demand { task_type: task_type(), room: ROOM }];
            let claim = ClaimId::new(&*self.random);
            let claims = self.backend.pump(Pump { drone, claim, queue: queue(), demands }).await?;
            let used = self.cpu().await?.zip(used).map(|(now, before)| now.saturating_sub(before));
            if claims.is_empty() {
                break;
            }
            self.settle(&claims).await?;
            let tasks = claims.iter().map(|claimed| claimed.live.len()).sum();
            turns = turns.and(Turns { tasks, time: self.clock.elapsed() - begun, claim_cpu: used });
        }
        Ok(turns)
    }

    async fn settle(&self, claims: &[Claimed]) -> Result<(), Error> {
        let done = |claimed: &Claimed| {
            let endings = vec![Ending { members: claimed.live, outcome: Outcome::done() }];
            Settlement { claim: claimed.claim, block: claimed.block, endings }
        };
        let settled = self.backend.settle(claims.iter().map(done).collect()).await?;
        let all = settled.iter().zip(claims).all(|(settled, claimed)| settled.accepted == claimed.live);
        if all { Ok(()) } else { Err(refused("the queue did not take an outcome")) }
    }

    async fn cpu(&self) -> Result<Option<Duration>, Error> {
        match &self.meter {
            Some(meter) => meter.cpu().await,
            None => Ok(None),
        }
    }
}

impl Figure {
    /// With what a claim cost the server before and after.
    fn compared(self, before: Turns, after: Turns) -> Self {
        let each = |turns: Turns| micros(turns.claim_cpu, turns.tasks.max(1) as f64);
        let ratio = each(after).as_f64().zip(each(before).as_f64()).map(|(after, before)| after / before);
        let figure = self.with("claim_cpu_us_before", each(before)).with("claim_cpu_us_after", each(after));
        figure.with("claim_cpu_ratio", serde_json::Value::from(ratio))
    }
}
