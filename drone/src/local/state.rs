//! The local queue in memory: what is held, what runs, what waits to be reported. Synchronous and without
//! I/O; the file follows it (`begin_flush`, `flushed`) or goes before it (`adopt`, `insert`).

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use skep_queue::{
    Block, ClaimId, Claimed, Demand, Mask, Outcome, Priority, Settled, TaskType, block::MAX_BLOCK_BYTES,
};

use super::{
    codec::weight,
    held::{Chain, Flush, Held, Kept, Parcel, Trash},
    straw::sheaves,
};
use crate::{
    policy::Decision,
    spec::Specs,
    worker::{FollowUp, Task},
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
    /// By queue, the types of which nothing new of it starts.
    pub(crate) paused: HashMap<usize, HashSet<TaskType>>,
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
        let rows = sheaves(claims).into_iter().map(|sheaf| {
            self.next_key += 1;
            Held::new(self.next_key, source, sheaf, Chain::default(), now)
        });
        rows.collect()
    }

    /// Makes rows part of the state.
    pub(crate) fn insert(&mut self, rows: Vec<Held>) {
        for held in rows {
            let (key, waits) = (held.key, !held.buffered.is_empty());
            self.account(&held.like().task_type, held.buffered.len() as isize, held.running.len() as isize);
            if !held.kept.is_empty() {
                self.outbox.insert(key);
            }
            self.held.insert(key, held);
            if waits {
                self.make_ready(key);
            }
        }
    }

    /// Puts a row among those that wait for a hand.
    pub(super) fn make_ready(&mut self, key: u64) {
        let Some(like) = self.held.get(&key).map(Held::like) else { return };
        if like.suspect > 0 {
            self.suspects.insert(key);
        }
        self.ready.entry(like.task_type.clone()).or_default().insert((like.priority, key));
    }

    /// Takes a row from among those that wait for a hand.
    pub(super) fn unready(&mut self, key: u64) {
        let Some(like) = self.held.get(&key).map(Held::like) else { return };
        if let Some(ready) = self.ready.get_mut(&like.task_type) {
            ready.remove(&(like.priority, key));
        }
        self.suspects.remove(&key);
    }

    /// Moves tasks of a type between the counts.
    pub(super) fn account(&mut self, task_type: &TaskType, buffered: isize, running: isize) {
        if !self.load.contains_key(task_type) {
            self.load.insert(task_type.clone(), Load::default());
        }
        if let Some(load) = self.load.get_mut(task_type) {
            load.buffered = load.buffered.saturating_add_signed(buffered);
            load.running = load.running.saturating_add_signed(running);
        }
    }

    /// Whether nothing new of this type starts that is of this queue.
    pub(super) fn is_paused(&self, source: usize, task_type: &TaskType) -> bool {
        self.paused.get(&source).is_some_and(|types| types.contains(task_type))
    }

    /// Reserves the room there is for what is of one queue, type by type, so that no second pump asks for it.
    pub(crate) fn reserve(&mut self, source: usize, specs: &Specs, dry: &HashSet<TaskType>) -> Vec<Demand> {
        let mut demands = Vec::new();
        for (task_type, spec) in &specs.0 {
            let paused = self.is_paused(source, task_type);
            let load = self.load.entry(task_type.clone()).or_default();
            let room = load.room(spec.bound);
            if room > 0 && !dry.contains(task_type) && !paused {
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
        let (key, place) = (task.slot.held, task.slot.place);
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
        held.ran(place, now);
        match decision {
            Decision::End(outcome) => self.end(key, Mask::one(place), outcome),
            Decision::Next { link, carry } => self.links.push((key, place, link, carry.into())),
        }
        Wakes { work, room }
    }

    /// Notes an outcome, to be written.
    pub(super) fn end(&mut self, key: u64, members: Mask, outcome: Outcome) {
        let Some(held) = self.held.get_mut(&key) else { return };
        if held.fresh.is_empty() {
            self.unwritten.push(key);
        }
        held.end(members, outcome);
    }

    /// Everything to be written now. Until [`State::flushed`] it counts as neither here nor there.
    pub(crate) fn begin_flush(&mut self) -> Flush {
        let mut flush = Flush { trash: std::mem::take(&mut self.trash), ..Flush::default() };
        for key in std::mem::take(&mut self.unwritten) {
            let Some(held) = self.held.get_mut(&key) else { continue };
            let mut bytes = usize::MAX;
            for ending in held.fresh.drain(..) {
                let more = weight(&ending.outcome);
                bytes = bytes.saturating_add(more);
                // A row bounded as a block is, unless one outcome alone is larger.
                if bytes > MAX_BLOCK_BYTES {
                    self.next_row += 1;
                    bytes = more;
                    flush
                        .endings
                        .push((key, Kept { row: self.next_row, left: Mask::EMPTY, endings: Vec::new() }));
                }
                if let Some((_, kept)) = flush.endings.last_mut() {
                    kept.left |= ending.members;
                    kept.endings.push(ending);
                }
            }
        }
        for (parent, place, link, carry) in std::mem::take(&mut self.links) {
            self.next_key += 1;
            if let Some(held) = self.held.get_mut(&parent) {
                held.live -= Mask::one(place);
                flush.links.push((parent, held.next_link(self.next_key, place, link, carry)));
                flush.trash.push(held.left());
            }
        }
        flush
    }

    /// What was to be written is on file.
    pub(crate) fn flushed(&mut self, flush: Flush) {
        for (key, kept) in flush.endings {
            if let Some(held) = self.held.get_mut(&key) {
                held.kept.push(kept);
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
        for held in self.outbox.iter().filter_map(|key| self.held.get(key)) {
            if held.source == source {
                held.ripe(now, split_after, &mut parcels);
            }
            if parcels.len() >= most {
                break;
            }
        }
        for parcel in &parcels {
            self.outbox.remove(&parcel.key);
            if let Some(held) = self.held.get_mut(&parcel.key) {
                held.tell(parcel);
            }
        }
        parcels
    }

    /// See [`Local::settled`](super::Local::settled).
    pub(crate) fn settled(&mut self, answers: &[(Parcel, Option<Settled>)], until: Duration) {
        for answers in answers.chunk_by(|(a, _), (b, _)| a.key == b.key) {
            let Some(held) = answers.first().and_then(|(parcel, _)| self.held.get_mut(&parcel.key)) else {
                continue;
            };
            let answered =
                answers.iter().map(|(parcel, answer)| held.answered(parcel, answer.as_ref(), until));
            let done = answered.fold(Mask::EMPTY, |done, some| done | some);
            self.forget(answers[0].0.key, done);
        }
    }

    /// Forgets what was reported.
    fn forget(&mut self, key: u64, done: Mask) {
        let Some(held) = self.held.get_mut(&key) else { return };
        let trash = &mut self.trash;
        held.kept.retain_mut(|kept| {
            if !(kept.left & done).is_empty() {
                kept.left -= done;
                trash.push(if kept.left.is_empty() {
                    Trash::Row(kept.row)
                } else {
                    Trash::Shrink(kept.row, kept.left)
                });
            }
            !kept.left.is_empty()
        });
        if !held.kept.is_empty() {
            self.outbox.insert(key);
        }
        if !done.is_empty() {
            self.forget_members(key, done);
        }
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
            self.trash.push(held.left());
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
        let held = self.held.values().filter(|held| held.source == source).map(|held| held.like().claim);
        held.chain(self.asking.iter().filter(|(s, _)| *s == source).map(|(_, claim)| *claim)).collect()
    }
}
