//! One history: what was handed out so far, and how an operation becomes a call.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::{
    answer::{Answer, Call, ask},
    look::Watched,
    op::{How, List, Op, QUEUES, Step, TYPES, queue, types},
};
use crate::{
    Backend, Beat, ClaimId, Clock, Demand, DroneFacts, Ending, Incarnation, Mask, Pump, QueueName,
    Settlement, Submission, TaskId,
    admin::{Intake, Setting},
    beat::DEFAULT_TTL,
    testing::{Bench, Handed, Model, TestClock, bench::kind},
};

pub(super) struct Case {
    /// Two processes' handles on the backend's store, or one twice, and on the model's in the same way.
    handles: [(Bench, Arc<Model>); 2],
    /// Which of them is at work.
    at: usize,
    pub watched: Watched,
    clock: Arc<TestClock>,
    /// How far the wall clock was stepped.
    stepped: i64,
    numbers: u128,
    /// The current incarnation of each drone; the last one pumps the second queue.
    drones: [Incarnation; 3],
    claims: Vec<(ClaimId, usize)>,
    handed: Vec<Handed>,
}

impl Case {
    pub(super) async fn new(bench: Bench, clock: Arc<TestClock>) -> Result<Self, String> {
        let model = Arc::new(Model::new(Arc::clone(&clock) as _));
        let other = bench.reopen().await;
        let one = Arc::ptr_eq(&other.backend, &bench.backend);
        let other_model = if one { Arc::clone(&model) } else { Arc::new(model.again()) };
        let handles = [(bench, model), (other, other_model)];
        let drones = [Incarnation(Uuid::nil()); 3];
        let (watched, claims, handed) = (Watched::default(), Vec::new(), Vec::new());
        let mut case =
            Self { handles, at: 0, watched, clock, stepped: 0, numbers: 0, drones, claims, handed };
        case.call(Call::Set(queue(1), None, Setting::Retention(Duration::ZERO)), false).await?;
        for drone in 0..3 {
            case.restart(drone, &List::None).await?;
        }
        Ok(case)
    }

    pub(super) async fn play(&mut self, Step { op, lost, other }: &Step) -> Result<(), String> {
        self.at = usize::from(*other);
        match op {
            Op::Submit { blocks, partial } => {
                let blocks = blocks.iter().map(|spec| spec.block(&*self.clock)).collect();
                self.call(Call::Submit(Submission { blocks, partial: *partial }), *lost).await?;
            }
            Op::Pump { drone, rooms } => {
                let claim = ClaimId(self.number(0xc));
                self.pump(claim, *drone, *rooms, *lost).await?;
            }
            Op::PumpAgain { claim } => {
                let current: Vec<_> =
                    self.claims.iter().rev().filter(|(claim, _)| self.model().is_current(*claim)).collect();
                if let Some((claim, drone)) = current.get(*claim).copied().copied() {
                    self.pump(claim, drone, [9, 9, 9], *lost).await?;
                }
            }
            Op::Settle { tasks, how } => self.settle(tasks, how, *lost).await?,
            Op::SettleBlock { task, how } => self.settle_block(*task, how, *lost).await?,
            Op::Beat { drone, list } => {
                self.beat(*drone, list, *lost).await?;
            }
            Op::Restart { drone, list } => self.restart(*drone, list).await?,
            Op::Leave { drone } => self.leave(*drone, *lost).await?,
            Op::Watch { drone, seconds } => {
                for _ in 0..seconds / 10 {
                    self.clock.advance(Duration::from_secs(10));
                    self.beat(*drone, &List::All, false).await?;
                }
            }
            Op::Act { act, task } => {
                if let Some(id) = self.known(*task) {
                    self.call(Call::Act(*act, id), *lost).await?;
                }
            }
            Op::Pass { seconds } => self.clock.advance(Duration::from_secs(*seconds)),
            Op::StepWall { seconds } => self.step_wall(*seconds),
            Op::Rescue { drone } => self.call(Call::Rescue(self.drones[*drone]), *lost).await.map(drop)?,
            Op::Pause { .. } | Op::Capacity { .. } | Op::Intake { .. } | Op::Promote { .. } => {
                self.set(op, *lost).await?;
            }
        }
        self.look().await
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.handles[self.at].0.backend
    }

    pub(super) fn model(&self) -> &Model {
        &self.handles[self.at].1
    }

    /// Asks both; when the reply is lost, asks again, and compares what comes then.
    async fn call(&mut self, call: Call, lost: bool) -> Result<Answer, String> {
        let (mut theirs, mut ours) = self.ask(&call).await;
        if lost {
            (theirs, ours) = self.ask(&call).await;
        } else {
            self.watched.check_endings(&call, &theirs)?;
        }
        if theirs != ours {
            return Err(format!("{call:?}\nis answered {theirs:?}\nby the model {ours:?}"));
        }
        self.watched.forgive(&call);
        Ok(theirs)
    }

    async fn ask(&self, call: &Call) -> (Answer, Answer) {
        let theirs = ask(self.backend(), call).await;
        // Which members of a block are chosen may be the backend's affair: the model follows, if it may.
        self.model().prefer(theirs.handed().iter().map(|task| task.id));
        let ours = ask(self.model(), call).await;
        (theirs, ours)
    }

    async fn pump(
        &mut self,
        claim: ClaimId,
        drone: usize,
        rooms: [usize; 3],
        lost: bool,
    ) -> Result<(), String> {
        let demand = |(name, room): (&&str, usize)| Demand { task_type: kind(name), room };
        let demands = TYPES.iter().zip(rooms).map(demand).collect();
        let pump = Pump { drone: self.drones[drone], claim, queue: of_drone(drone), demands };
        let answer = self.call(Call::Pump(pump), lost).await?;
        if !answer.handed().is_empty() && !self.claims.iter().any(|(known, _)| *known == claim) {
            self.claims.push((claim, drone));
            self.handed.extend_from_slice(answer.handed());
        }
        Ok(())
    }

    async fn settle(&mut self, tasks: &[usize], how: &How, lost: bool) -> Result<(), String> {
        let outcome = how.outcome(&*self.clock);
        let recent: Vec<&Handed> = self.handed.iter().rev().collect();
        let settlement = |at: &usize| {
            let task = recent.get(*at)?;
            let endings = vec![Ending { members: Mask::one(task.ordinal), outcome: outcome.clone() }];
            Some(Settlement { claim: task.claim, block: task.block, endings })
        };
        let settlements = tasks.iter().filter_map(settlement).collect();
        self.call(Call::Settle(settlements), lost).await.map(drop)
    }

    async fn settle_block(&mut self, task: usize, how: &How, lost: bool) -> Result<(), String> {
        let Some(Handed { claim, block, .. }) = self.handed.iter().rev().nth(task).cloned() else {
            return Ok(());
        };
        let with_it = self.handed.iter().filter(|task| (task.claim, task.block) == (claim, block));
        let members = with_it.map(|task| task.ordinal).collect();
        let endings = vec![Ending { members, outcome: how.outcome(&*self.clock) }];
        self.call(Call::Settle(vec![Settlement { claim, block, endings }]), lost).await.map(drop)
    }

    async fn beat(&mut self, drone: usize, list: &List, lost: bool) -> Result<Answer, String> {
        let its = self.claims.iter().filter(|(_, owner)| *owner == drone).map(|(claim, _)| *claim);
        let held = match list {
            List::All => its.collect(),
            List::None => Vec::new(),
            List::EveryOther => its.step_by(2).collect(),
        };
        self.call(Call::Beat(self.says(drone, held, false)), lost).await
    }

    fn says(&self, drone: usize, held: Vec<ClaimId>, leaving: bool) -> Beat {
        let facts = DroneFacts { name: format!("d{drone}"), types: types(), ..DroneFacts::default() };
        Beat { drone: self.drones[drone], queue: of_drone(drone), ttl: DEFAULT_TTL, held, facts, leaving }
    }

    async fn restart(&mut self, drone: usize, list: &List) -> Result<(), String> {
        self.drones[drone] = Incarnation(self.number(0xd));
        self.beat(drone, list, false).await.map(drop)
    }

    /// Leaves; what it had is released, and whether it counts as settled is left open: nobody asks again.
    async fn leave(&mut self, drone: usize, lost: bool) -> Result<(), String> {
        let left = self.beat(drone, &List::None, false).await?.phantoms().to_vec();
        self.call(Call::Beat(self.says(drone, Vec::new(), true)), lost).await?;
        self.claims.retain(|(claim, _)| !left.contains(claim));
        self.handed.retain(|task| !left.contains(&task.claim));
        self.restart(drone, &List::None).await
    }

    async fn set(&mut self, op: &Op, lost: bool) -> Result<(), String> {
        let (of, setting) = match *op {
            Op::Pause { task_type, paused } => (task_type, Setting::Paused(paused)),
            Op::Capacity { task_type: None, capacity } => {
                // Not below what it holds: which postbacks of a rescue then find room is left open.
                let depth = self.watched.depth(QUEUES[0], None);
                (None, Setting::Capacity(capacity.map(|capacity| capacity.max(depth))))
            }
            Op::Capacity { task_type, capacity } => (task_type, Setting::Capacity(capacity)),
            Op::Intake { open } => {
                (None, Setting::Intake(if open { Intake::Open } else { Intake::Draining }))
            }
            Op::Promote { seconds } => (None, Setting::PromoteAfter(seconds.map(Duration::from_secs))),
            _ => return Ok(()),
        };
        let of = of.map(|index| kind(TYPES[index]));
        self.call(Call::Set(queue(0), of, setting), lost).await.map(drop)
    }

    /// Steps the wall clock to at most an hour from the truth, and not behind the moment that made a task
    /// available which still waits: what happens to it then is left open.
    fn step_wall(&mut self, seconds: i64) {
        let now = self.clock.now();
        let floor = self.model().ripened().unwrap_or_default();
        let to = now.micros() - self.stepped + seconds * 1_000_000;
        let to = if to < now.micros() { to.max(floor.micros().min(now.micros())) } else { to };
        self.stepped += to - now.micros();
        self.clock.step_wall(to - now.micros());
    }

    /// One of the tasks that are kept.
    fn known(&self, at: usize) -> Option<TaskId> {
        let ids: Vec<TaskId> = self.watched.ids().collect();
        (!ids.is_empty()).then(|| ids[at % ids.len()])
    }

    fn number(&mut self, kind: u128) -> Uuid {
        self.numbers += 1;
        Uuid::from_u128(kind << 124 | 0x4000 << 64 | 0x8000 << 48 | self.numbers)
    }
}

fn of_drone(drone: usize) -> QueueName {
    queue(usize::from(drone == 2))
}
