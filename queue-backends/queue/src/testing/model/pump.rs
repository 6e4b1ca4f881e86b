//! Who gets what.

use std::time::Duration;

use super::{
    Bug,
    store::{DroneRow, Key, Store},
};
use crate::{
    ClaimId, Claimed, Demand, DroneFacts, Mask, Payloads, Pump, QueueName, TaskType, admin::State,
    beat::DEFAULT_TTL,
};

impl Store {
    pub(super) fn pump(&mut self, pump: &Pump) -> Vec<Claimed> {
        if !self.claims.contains_key(&pump.claim) || self.has_bug(Bug::PumpAgainClaims) {
            for demand in &pump.demands {
                self.claim(pump, demand);
            }
        }
        self.claimed_under(pump.claim).into_iter().map(|key| self.hand_out(pump.claim, key)).collect()
    }

    /// Whether a pump of these types would find something, in any queue.
    pub(super) fn finds(&self, types: &[TaskType]) -> bool {
        let of = |t: &TaskType| types.is_empty() || types.contains(t);
        self.tasks.values().any(|task| task.state == State::Available && of(&task.task_type))
    }

    fn claim(&mut self, pump: &Pump, demand: &Demand) {
        let every = self.promotes_after(&pump.queue);
        let mut due: Vec<Key> = self.due(pump, demand);
        due.sort_by_key(|key| {
            // Members of one block that are due at one moment have no order among them.
            let last = !self.prefer.contains(&key.0.task(key.1));
            let (task, first) = (&self.tasks[key], self.has_bug(Bug::PromotedFirst));
            let (priority, run_at, submitted) = task.rank(every, self.now);
            let stayed = first && priority == task.priority;
            (priority, stayed, run_at, submitted, last, key.1)
        });
        due.truncate(demand.room + usize::from(self.has_bug(Bug::RoomOffByOne)));
        for key in due {
            self.claims.insert(pump.claim, pump.drone);
            self.know(pump);
            let worker = self.worker(pump.claim);
            let (raise, now) = (u32::from(!self.has_bug(Bug::FenceKept)), self.now);
            let task = self.tasks.get_mut(&key).expect("it is due");
            (task.state, task.claim, task.worker) = (State::Claimed, Some(pump.claim), worker);
            (task.fence, task.claimed_at) = (task.fence + raise, now);
        }
    }

    fn promotes_after(&self, queue: &QueueName) -> Option<Duration> {
        let every = self.queues.get(queue).and_then(|row| row.promote_after);
        every.filter(|_| !self.has_bug(Bug::NeverPromoted))
    }

    fn due(&self, pump: &Pump, demand: &Demand) -> Vec<Key> {
        if self.is_paused(&pump.queue, &demand.task_type) {
            return Vec::new();
        }
        let free = |state| match state {
            State::Available => true,
            State::Scheduled => self.has_bug(Bug::NotDue),
            State::Claimed => self.has_bug(Bug::NoClaimGuard),
            _ => false,
        };
        let wanted = self.tasks.iter().filter(|(_, task)| {
            task.queue == pump.queue && task.task_type == demand.task_type && free(task.state)
        });
        wanted.map(|(key, _)| *key).collect()
    }

    /// A drone that pumps before it beats must be found when it is lost.
    fn know(&mut self, pump: &Pump) {
        self.beats += 1;
        let (beat_at, number) = (self.now, self.beats);
        self.drones.entry(pump.drone).or_insert_with(|| DroneRow {
            queue: pump.queue.clone(),
            number,
            ttl: DEFAULT_TTL,
            beat_at,
            facts: DroneFacts::default(),
            drain: false,
        });
    }

    fn hand_out(&self, claim: ClaimId, (block, ordinal): Key) -> Claimed {
        let task = &self.tasks[&(block, ordinal)];
        let mut payloads = vec![bytes::Bytes::new(); usize::from(ordinal)];
        payloads.push(task.payload.clone());
        Claimed {
            claim,
            block,
            live: Mask::one(ordinal),
            queue: task.queue.clone(),
            task_type: task.task_type.clone(),
            priority: task.rank(self.promotes_after(&task.queue), task.claimed_at).0,
            attempts: task.attempts,
            losses: task.losses,
            interruptions: task.interruptions,
            fence: task.fence,
            suspect: task.suspect,
            options: task.options.clone(),
            created_at: task.created_at,
            payloads: Payloads::new(&payloads),
        }
    }
}
