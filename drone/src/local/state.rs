//! The local queue in memory: what is held, what runs, what waits to be reported. Synchronous and without
//! I/O; the file follows it (`begin_flush`, `flushed`) or goes before it (`adopt`, `insert`).

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use skep_queue::{Block, ClaimId, Claimed, Demand, Ending, Mask, Outcome, Priority, Settled, TaskType};

use super::held::{Chain, Flush, Held, Parcel, Trash, left, push};
use crate::{
    policy::Decision,
    spec::Specs,
    worker::{FollowUp, StopSignal, Task},
};

/// How much of a type is here.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    buffered: usize,
    running: usize,
    /// Asked for, and not yet answered.
    reserved: usize,
}

/// Who is to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wakes {
    /// Those who wait for work: the task stood in their way.
    pub(crate) work: bool,
    /// Those who wait for room, or for the last run to end.
    pub(crate) room: bool,
}

/// What the drone tells of its local queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) buffered: usize,
    pub(crate) running: usize,
    /// Outcomes not yet reported.
    pub(crate) outbox: usize,
}

#[derive(Default)]
pub(crate) struct State {
    pub(super) held: HashMap<u64, Held>,
    /// Held rows with buffered members, in the order in which they start.
    pub(super) ready: HashMap<TaskType, BTreeSet<(Priority, u64)>>,
    load: HashMap<TaskType, Load>,
    pub(super) signals: HashMap<(u64, u8), StopSignal>,
    /// Held rows with buffered members that must run alone.
    pub(super) suspects: BTreeSet<u64>,
    /// Tasks running inside the drone's process, and whether the one that runs must be alone.
    pub(super) in_process: usize,
    pub(super) solo: bool,
    /// Held rows with outcomes to report, but for those under way.
    outbox: BTreeSet<u64>,
    /// Held rows with fresh outcomes.
    unwritten: Vec<u64>,
    links: Vec<(u64, u8, FollowUp, Arc<[Block]>)>,
    trash: Vec<Trash>,
    /// Claims asked for, and not yet stored: the beat lists them too.
    pub(crate) asking: HashSet<(usize, ClaimId)>,
    /// Types of which nothing new starts.
    pub(crate) paused: HashSet<TaskType>,
    next_key: u64,
    next_row: u64,
}

impl Load {
    /// Room worth asking for: none until half of the bound is free.
    fn room(self, bound: usize) -> usize {
        let room = bound.saturating_sub(self.buffered + self.running + self.reserved);
        if room * 2 >= bound { room } else { 0 }
    }
}

// === impl State: arriving ===

impl State {
    /// An empty state whose rows are numbered from here.
    pub(crate) fn numbered_from(key: u64, row: u64) -> Self {
        Self { next_key: key, next_row: row, ..Self::default() }
    }

    /// Rows for claims; not part of the state until they are on file.
    pub(crate) fn adopt(&mut self, source: usize, claims: Vec<Claimed>, now: Duration) -> Vec<Held> {
        let rows = claims.into_iter().map(|claimed| {
            self.next_key += 1;
            Held::new(self.next_key, source, claimed, Chain::default(), now)
        });
        rows.collect()
    }

    /// Makes rows part of the state.
    pub(crate) fn insert(&mut self, rows: Vec<Held>) {
        for held in rows {
            let load = self.load.entry(held.claimed.task_type.clone()).or_default();
            load.buffered += held.buffered.len();
            load.running += held.running.len();
            if !held.buffered.is_empty() {
                self.make_ready(&held);
            }
            if !held.kept.is_empty() {
                self.outbox.insert(held.key);
            }
            self.held.insert(held.key, held);
        }
    }

    /// Puts a row among those that wait for a hand.
    pub(super) fn make_ready(&mut self, held: &Held) {
        let place = (held.claimed.priority, held.key);
        self.ready.entry(held.claimed.task_type.clone()).or_default().insert(place);
        if held.claimed.suspect > 0 {
            self.suspects.insert(held.key);
        }
    }

    /// Takes a row from among those that wait for a hand.
    pub(super) fn unready(&mut self, key: u64) {
        if let Some(held) = self.held.get(&key) {
            if let Some(ready) = self.ready.get_mut(&held.claimed.task_type) {
                ready.remove(&(held.claimed.priority, key));
            }
            self.suspects.remove(&key);
        }
    }

    /// Moves tasks of a type between the counts.
    pub(super) fn account(&mut self, task_type: &TaskType, buffered: isize, running: isize) {
        let load = self.load.entry(task_type.clone()).or_default();
        load.buffered = load.buffered.saturating_add_signed(buffered);
        load.running = load.running.saturating_add_signed(running);
    }

    /// Reserves the room there is, type by type, so that no second pump asks for it.
    pub(crate) fn reserve(&mut self, specs: &Specs, dry: &HashSet<TaskType>) -> Vec<Demand> {
        let mut demands = Vec::new();
        for (task_type, spec) in &specs.0 {
            let load = self.load.entry(task_type.clone()).or_default();
            let room = load.room(spec.bound);
            if room > 0 && !dry.contains(task_type) && !self.paused.contains(task_type) {
                load.reserved += room;
                demands.push(Demand { task_type: task_type.clone(), room });
            }
        }
        demands
    }

    /// Gives reserved room back, once what was asked for is part of the state or will not come.
    pub(crate) fn unreserve(&mut self, demands: &[Demand]) {
        for demand in demands {
            let load = self.load.entry(demand.task_type.clone()).or_default();
            load.reserved = load.reserved.saturating_sub(demand.room);
        }
    }
}

// === impl State: ending ===

impl State {
    /// A started task has its decision. Says who is to look again.
    pub(crate) fn finish(&mut self, task: &Task, decision: Decision, specs: &Specs, now: Duration) -> Wakes {
        let (key, member) = (task.slot.held, Mask::one(task.slot.ordinal));
        self.signals.remove(&(key, task.slot.ordinal));
        self.account(&task.task_type, 0, -1);
        let mut work = !self.suspects.is_empty();
        let (load, spec) =
            (self.load.get(&task.task_type).copied().unwrap_or_default(), specs.get(&task.task_type));
        if spec.is_some_and(|spec| spec.in_process) {
            self.in_process = self.in_process.saturating_sub(1);
            work |= std::mem::take(&mut self.solo);
        }
        // A pump that is woken at every end, to find too little room, costs more than the end itself.
        let room = load.running == 0 || spec.is_some_and(|spec| load.room(spec.bound) > 0);
        let Some(held) = self.held.get_mut(&key) else { return Wakes { work, room } };
        held.running -= member;
        if held.fresh.is_empty() && held.kept.is_empty() && held.flushing == 0 {
            held.waiting = now;
        }
        match decision {
            Decision::End(outcome) => self.end(key, member, outcome),
            Decision::Next { link, carry } => self.links.push((key, task.slot.ordinal, link, carry.into())),
        }
        Wakes { work, room }
    }

    /// Notes an outcome, to be written.
    pub(super) fn end(&mut self, key: u64, members: Mask, outcome: Outcome) {
        let Some(held) = self.held.get_mut(&key) else { return };
        if held.fresh.is_empty() {
            self.unwritten.push(key);
        }
        push(&mut held.fresh, Ending { members, outcome });
    }

    /// Everything to be written now. Until [`State::flushed`] it counts as neither here nor there.
    pub(crate) fn begin_flush(&mut self) -> Flush {
        let mut flush = Flush { trash: std::mem::take(&mut self.trash), ..Flush::default() };
        for key in std::mem::take(&mut self.unwritten) {
            let Some(held) = self.held.get_mut(&key) else { continue };
            held.flushing += held.fresh.len();
            for ending in held.fresh.drain(..) {
                self.next_row += 1;
                flush.endings.push((self.next_row, key, ending));
            }
        }
        for (parent, ordinal, link, carry) in std::mem::take(&mut self.links) {
            self.next_key += 1;
            if let Some(held) = self.held.get_mut(&parent) {
                held.live -= Mask::one(ordinal);
                flush.links.push((parent, held.next_link(self.next_key, ordinal, link, carry)));
                flush.trash.push(left(held));
            }
        }
        flush
    }

    /// What was to be written is on file.
    pub(crate) fn flushed(&mut self, flush: Flush) {
        for (row, key, ending) in flush.endings {
            if let Some(held) = self.held.get_mut(&key) {
                held.flushing -= 1;
                held.kept.push((row, ending));
                self.outbox.insert(key);
            }
        }
        for (parent, child) in flush.links {
            self.remove_if_done(parent);
            self.insert(vec![child]);
        }
    }

    /// See [`Local::ripe`](super::Local::ripe).
    pub(crate) fn ripe(
        &mut self,
        source: usize,
        most: usize,
        now: Duration,
        split_after: Duration,
    ) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        for key in &self.outbox {
            let Some(held) = self.held.get_mut(key) else { continue };
            let slow = now < held.waiting + split_after;
            if held.source != source || now < held.not_before || (!held.is_done() && slow) {
                continue;
            }
            parcels.push(held.parcel());
            if parcels.len() == most {
                break;
            }
        }
        for parcel in &parcels {
            self.outbox.remove(&parcel.key);
        }
        parcels
    }

    /// See [`Local::settled`](super::Local::settled).
    pub(crate) fn settled(&mut self, parcel: Parcel, answer: Option<Settled>, until: Duration) {
        let Some(held) = self.held.get_mut(&parcel.key) else { return };
        let done = answer.map_or(Mask::EMPTY, |a| a.accepted | a.already | a.stale | a.gone);
        let trash = &mut self.trash;
        held.kept.retain_mut(|(row, ending)| {
            if parcel.rows.contains(row) && !(ending.members & done).is_empty() {
                ending.members -= done;
                trash.push(if ending.members.is_empty() {
                    Trash::Row(*row)
                } else {
                    Trash::Shrink(*row, ending.members)
                });
            }
            !ending.members.is_empty()
        });
        held.live -= done;
        held.not_before = if parcel.covers(done) { held.not_before } else { until };
        if !held.kept.is_empty() {
            self.outbox.insert(parcel.key);
        }
        if !done.is_empty() {
            self.trash.push(left(held));
        }
        self.remove_if_done(parcel.key);
    }

    fn remove_if_done(&mut self, key: u64) {
        if self.held.get(&key).is_some_and(|held| held.live.is_empty()) {
            self.held.remove(&key);
        }
    }

    /// Notes that a row has fewer members.
    pub(super) fn forget_members(&mut self, key: u64, members: Mask) {
        if let Some(held) = self.held.get_mut(&key) {
            held.live -= members;
            self.trash.push(left(held));
            self.remove_if_done(key);
        }
    }
}

// === impl State: looking ===

impl State {
    /// How much there is.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for held in self.held.values() {
            counts.buffered += held.buffered.len();
            counts.running += held.running.len();
        }
        let members: usize = self.held.values().map(|held| held.live.len()).sum();
        counts.outbox = members - counts.buffered - counts.running;
        counts
    }

    /// Whether nothing is held, on its way, or asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.asking.is_empty()
    }

    /// Whether anything of a source is held.
    pub(crate) fn holds(&self, source: usize) -> bool {
        self.held.values().any(|held| held.source == source)
    }

    /// Whether anything waits to be reported.
    pub(crate) fn reports(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The claims held from a source, or asked of it.
    pub(crate) fn claims(&self, source: usize) -> HashSet<ClaimId> {
        let held = self.held.values().filter(|held| held.source == source).map(|held| held.claimed.claim);
        held.chain(self.asking.iter().filter(|(s, _)| *s == source).map(|(_, claim)| *claim)).collect()
    }
}
