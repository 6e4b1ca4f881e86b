//! Which drones there are, and what each has been given.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use skep_queue::{Beat, ClaimId, Claimed, Incarnation, Orders, QueueName, TaskType};

use super::{Flow, Kind, pace::Pace, score::Load};
use crate::wire::view::Hands;

/// Every drone that speaks here, and every claim that was handed out here and has not been settled.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) drones: HashMap<Incarnation, Known>,
    claims: HashMap<ClaimId, Given>,
    /// Rises with every beat and every claim, to tell which was first.
    turn: u64,
}

/// A drone. What it is counts once, on however many links it speaks.
#[derive(Debug, Default)]
pub(super) struct Known {
    name: String,
    pub(super) queues: Vec<QueueName>,
    types: Vec<TaskType>,
    hands: usize,
    /// The claims of it that are in the ledger, and how many tasks those have left.
    claims: HashSet<ClaimId>,
    given: usize,
    /// How many tasks it holds of claims that are not in the ledger: they were handed out elsewhere, or before
    /// this manager started.
    other: usize,
    /// It has beaten.
    introduced: bool,
    pace: Pace,
    /// It has no link just now.
    pub(super) away: bool,
}

#[derive(Debug)]
struct Given {
    drone: Incarnation,
    left: usize,
    kinds: Vec<Kind>,
    turn: u64,
}

/// What a settlement took from a claim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) claim: ClaimId,
    /// Members that the drone does not have any more.
    pub(super) tasks: usize,
    /// Those of them that were runs.
    pub(super) runs: usize,
}

impl Known {
    pub(super) const fn assigned(&self) -> usize {
        self.given + self.other
    }

    pub(super) fn load(&self) -> Load {
        Load { hands: self.hands.max(1), assigned: self.assigned(), mean: self.pace.mean() }
    }

    fn pass(&mut self, now: Duration) {
        self.pace.pass(now, self.assigned().min(self.hands.max(1)));
    }
}

impl Ledger {
    /// A drone asks for something, or waits.
    pub(super) fn known(&mut self, drone: Incarnation) -> &mut Known {
        self.drones.entry(drone).or_default()
    }

    /// A beat is on its way: [`Ledger::beaten`] wants the answer with this number.
    pub(super) fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// A drone beat, and these are its orders. Answers whose claims it took over.
    pub(super) fn beaten(
        &mut self,
        beat: &Beat,
        orders: &Orders,
        turn: u64,
        now: Duration,
    ) -> HashSet<Incarnation> {
        let known = self.known(beat.drone);
        known.pass(now);
        known.name.clone_from(&beat.facts.name);
        known.hands = beat.facts.hands;
        known.types.clone_from(&beat.facts.types);
        if !known.queues.contains(&beat.queue) {
            known.queues.push(beat.queue.clone());
        }
        let former = self.adopt(beat, now);
        let held: HashSet<&ClaimId> = beat.held.iter().chain(&orders.phantoms).collect();
        let mine = self.drones[&beat.drone].claims.iter().filter(|claim| !held.contains(claim));
        let older = |claim: &&ClaimId| self.claims.get(claim).is_some_and(|given| given.turn < turn);
        let dropped: Vec<ClaimId> = mine.filter(older).chain(&orders.lost).copied().collect();
        dropped.into_iter().for_each(|claim| self.drop_claim(claim));
        let unknown = |claim: &ClaimId| !self.claims.contains_key(claim) && !orders.lost.contains(claim);
        let strange = beat.held.iter().any(unknown);
        if let Some(known) = self.drones.get_mut(&beat.drone) {
            // After the first beat a claim that is not in the ledger may be one that is being asked for.
            let most = if known.introduced { known.other } else { usize::MAX };
            known.other = if strange { beat.facts.held.saturating_sub(known.given).min(most) } else { 0 };
            known.introduced = true;
        }
        former
    }

    /// Claims belong to whoever listed them last.
    fn adopt(&mut self, beat: &Beat, now: Duration) -> HashSet<Incarnation> {
        let mut former = HashSet::new();
        for claim in &beat.held {
            let Some(given) = self.claims.get_mut(claim).filter(|given| given.drone != beat.drone) else {
                continue;
            };
            let from = std::mem::replace(&mut given.drone, beat.drone);
            if let Some(known) = self.drones.get_mut(&from) {
                known.pass(now);
                known.given -= given.left;
                known.claims.remove(claim);
            }
            if let Some(known) = self.drones.get_mut(&beat.drone) {
                known.given += given.left;
                known.claims.insert(*claim);
            }
            former.insert(from);
        }
        former
    }

    fn drop_claim(&mut self, claim: ClaimId) {
        let Some(given) = self.claims.remove(&claim) else { return };
        if let Some(known) = self.drones.get_mut(&given.drone) {
            known.given -= given.left;
            known.claims.remove(&claim);
        }
    }

    /// Whether this claim was handed out here, and something of it is left.
    pub(super) fn has(&self, claim: ClaimId) -> bool {
        self.claims.contains_key(&claim)
    }

    /// A pump was answered: this is what is left of its claim, whatever was answered before.
    pub(super) fn give(&mut self, drone: Incarnation, claim: ClaimId, tasks: &[Claimed], now: Duration) {
        self.drop_claim(claim);
        let mut kinds = BTreeMap::new();
        for claimed in tasks {
            let kind = (claimed.queue.clone(), claimed.task_type.clone());
            *kinds.entry(kind).or_insert(0) += claimed.live.len();
        }
        let left = kinds.values().sum();
        if left == 0 {
            return;
        }
        let turn = self.next_turn();
        let known = self.known(drone);
        known.pass(now);
        known.given += left;
        known.claims.insert(claim);
        self.claims.insert(claim, Given { drone, left, kinds: kinds.into_keys().collect(), turn });
    }

    /// Tasks of claims ended; claims that are not in the ledger are this drone's.
    pub(super) fn end(&mut self, drone: Option<Incarnation>, ended: &[Ended], now: Duration) {
        let mut runs: HashMap<Incarnation, usize> = HashMap::new();
        for ended in ended {
            let Some(holder) = self.claims.get(&ended.claim).map(|given| given.drone).or(drone) else {
                continue;
            };
            let Some(known) = self.drones.get_mut(&holder) else { continue };
            known.pass(now);
            *runs.entry(holder).or_default() += ended.runs;
            if let Some(given) = self.claims.get_mut(&ended.claim) {
                let taken = ended.tasks.min(given.left);
                known.given -= taken;
                given.left -= taken;
                if given.left == 0 {
                    known.claims.remove(&ended.claim);
                    self.claims.remove(&ended.claim);
                }
            } else {
                known.other = known.other.saturating_sub(ended.tasks);
            }
        }
        for (drone, runs) in runs {
            self.known(drone).pace.end(runs);
        }
    }

    /// The kinds of which a claim had tasks.
    pub(super) fn kinds(&self, claim: ClaimId) -> &[Kind] {
        self.claims.get(&claim).map_or(&[], |given| &given.kinds)
    }

    /// A drone is gone for good. Answers of what kinds it had tasks.
    pub(super) fn remove(&mut self, drone: Incarnation) -> HashSet<Kind> {
        let Some(known) = self.drones.remove(&drone) else { return HashSet::new() };
        let claims = known.claims.iter().filter_map(|claim| self.claims.remove(claim));
        claims.flat_map(|given| given.kinds).collect()
    }

    /// How fast the drones that have a link do work of a queue, or of one type of it. The mean is that of a run
    /// when all hands are busy, so who is faster, and ends more of them, counts more.
    pub(super) fn flow(&self, queue: &QueueName, task_type: Option<&TaskType>) -> Flow {
        let serves = |known: &&Known| {
            let of_type = task_type.is_none_or(|of| known.types.contains(of));
            !known.away && of_type && known.queues.contains(queue)
        };
        let (mut flow, mut hands, mut rate) = (Flow::default(), 0, 0.0);
        for known in self.drones.values().filter(serves) {
            flow.hands += known.hands;
            if let Some(mean) = known.pace.mean() {
                hands += known.hands;
                rate += known.hands as f64 / mean.max(1e-9);
            }
        }
        flow.mean = (rate > 0.0).then(|| hands as f64 / rate);
        flow
    }

    /// Every drone that has a link, by name.
    pub(super) fn hands(&self) -> Vec<Hands> {
        let here = self.drones.values().filter(|known| !known.away);
        let mut rows: Vec<Hands> = here
            .map(|known| Hands {
                name: known.name.clone(),
                queue: known.queues.first().map(ToString::to_string).unwrap_or_default(),
                hands: known.hands,
                assigned: known.assigned(),
                run_time: known.pace.mean(),
            })
            .collect();
        rows.sort_by(|a, b| (&a.name, &a.queue).cmp(&(&b.name, &b.queue)));
        rows
    }
}
