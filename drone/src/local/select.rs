//! Which tasks start next, and which are stopped or given up: the part of the state that chooses.

use std::time::Duration;

use skep_queue::{Cause, ClaimId, Claimed, Failure, Mask, Outcome, TaskId, TaskType};

use super::{held::Held, state::State};
use crate::{
    policy::OnLeaseLost,
    spec::Specs,
    worker::{Stop, StopSignal, Task},
};

/// Members of a held row, chosen to start.
pub(super) type Pick = (u64, Mask);

impl State {
    /// Chooses up to `hands` buffered tasks, the lowest priority number first, then in the order in which
    /// they came, and marks them as started. A suspect runs alone among those in the drone's own process.
    pub(crate) fn take(&mut self, types: &[TaskType], hands: usize, in_process: bool) -> Vec<Pick> {
        if in_process && !self.suspects.is_empty() && self.in_process > 0 || in_process && self.solo {
            return Vec::new();
        }
        let alone = in_process && !self.suspects.is_empty();
        let (mut picks, mut free) = (Vec::new(), if alone { hands.min(1) } else { hands });
        while free > 0 {
            let Some(key) = self.first(types, alone) else { break };
            let Some(members) = self.start(key, free) else { break };
            free -= members.len();
            picks.push((key, members));
        }
        if in_process {
            self.in_process += picks.iter().map(|(_, members)| members.len()).sum::<usize>();
            self.solo = alone && !picks.is_empty();
        }
        picks
    }

    fn first(&self, types: &[TaskType], suspect: bool) -> Option<u64> {
        let starts = |t: &TaskType, key: &u64| {
            let held = self.held.get(key).filter(|_| !suspect || self.suspects.contains(key));
            held.is_some_and(|held| !self.is_paused(held.source, t))
        };
        let first = |t: &TaskType| self.ready.get(t)?.iter().find(|(_, key)| starts(t, key));
        types.iter().filter_map(first).min().map(|(_, key)| *key)
    }

    fn start(&mut self, key: u64, most: usize) -> Option<Mask> {
        let held = self.held.get_mut(&key)?;
        let members = held.buffered.take(most);
        held.buffered -= members;
        held.running |= members;
        held.started |= members;
        held.signals.resize_with(held.places(), || None);
        members.iter().for_each(|place| held.signals[usize::from(place)] = Some(StopSignal::default()));
        let (task_type, emptied) = (held.like().task_type.clone(), held.buffered.is_empty());
        if emptied {
            self.unready(key);
        }
        self.account(&task_type, -(members.len() as isize), members.len() as isize);
        Some(members)
    }

    /// What to write of rows: the members that have started, as of now.
    pub(super) fn started(&self, keys: &[u64]) -> Vec<(u64, Mask)> {
        keys.iter().filter_map(|key| Some((*key, self.held.get(key)?.started))).collect()
    }

    /// Turns picks into tasks, once they are marked on file.
    pub(super) fn hand_out(&self, picks: &[Pick], specs: &Specs) -> Vec<(Task, StopSignal)> {
        let mut tasks = Vec::with_capacity(picks.iter().map(|(_, members)| members.len()).sum());
        for (key, members) in picks {
            let Some(held) = self.held.get(key) else { continue };
            let spec = specs.get(&held.like().task_type);
            for place in members.iter() {
                tasks.extend(
                    held.signals[usize::from(place)].clone().map(|stop| (held.task(place, spec), stop)),
                );
            }
        }
        tasks
    }

    /// A member of a held row as a worker sees it.
    pub(super) fn task(&self, key: u64, place: u8, specs: &Specs) -> Option<Task> {
        let held = self.held.get(&key)?;
        Some(held.task(place, specs.get(&held.like().task_type)))
    }

    /// Undoes a choice that could not be marked on file.
    pub(super) fn put_back(&mut self, picks: &[Pick], in_process: bool) {
        for (key, members) in picks {
            let Some(held) = self.held.get_mut(key) else { continue };
            held.buffered |= *members;
            held.running -= *members;
            held.started -= *members;
            members.iter().for_each(|place| held.signals[usize::from(place)] = None);
            let task_type = held.like().task_type.clone();
            self.make_ready(*key);
            self.account(&task_type, members.len() as isize, -(members.len() as isize));
            if in_process {
                self.in_process = self.in_process.saturating_sub(members.len());
                self.solo = false;
            }
        }
    }

    /// Ends buffered members without a run.
    fn give_up(&mut self, key: u64, members: Mask, outcome: Option<Outcome>) {
        let Some(held) = self.held.get_mut(&key).filter(|_| !members.is_empty()) else { return };
        held.buffered -= members;
        let task_type = held.like().task_type.clone();
        if held.buffered.is_empty() {
            self.unready(key);
        }
        self.account(&task_type, -(members.len() as isize), 0);
        match outcome {
            Some(outcome) => self.end(key, members, outcome),
            None => self.forget_members(key, members),
        }
    }

    /// Cancels tasks: those that run are asked to stop, those that wait end at once.
    pub(super) fn cancel(&mut self, ids: &[TaskId]) {
        if ids.is_empty() {
            return;
        }
        let mut waiting = Vec::new();
        for held in self.held.values() {
            for place in held.live.iter().filter(|place| ids.contains(&held.id(*place))) {
                if held.buffered.has(place) {
                    waiting.push((held.key, Mask::one(place)));
                } else if let Some(Some(signal)) = held.signals.get(usize::from(place)) {
                    signal.stop(Stop::Cancelled);
                }
            }
        }
        for (key, member) in waiting {
            let failure = Failure::new(Cause::Cancelled, "cancelled before it started");
            self.give_up(key, member, Some(Outcome::Cancel { failure }));
        }
    }

    /// Hands back what waits here since `age`; says whether anything did.
    pub(super) fn hand_back(&mut self, now: Duration, age: Duration) -> bool {
        let old = |held: &&Held| !held.buffered.is_empty() && now.saturating_sub(held.since) >= age;
        let old: Vec<_> = self.held.values().filter(old).map(|held| (held.key, held.buffered)).collect();
        for (key, members) in &old {
            self.give_up(*key, *members, Some(Outcome::Release));
        }
        !old.is_empty()
    }

    /// Claims that are another drone's now: what waits is dropped, what runs goes on or is stopped. Answers how
    /// many tasks that was: none, when all that was left of a claim had just been told.
    pub(crate) fn lose(&mut self, claims: &[ClaimId], specs: &Specs) -> usize {
        let lost = |held: &&Held| claims.contains(&held.like().claim);
        let rows = self.held.values().filter(lost);
        let tasks = rows.clone().map(|held| held.buffered.len() + held.running.len()).sum();
        let lost: Vec<_> = rows.map(|held| (held.key, held.buffered)).collect();
        self.stop_leaseless(specs, |held| claims.contains(&held.like().claim));
        for (key, members) in &lost {
            self.give_up(*key, *members, None);
        }
        tasks
    }

    /// Keeps of a claim only what the queue still has under it: of what waits, the rest is dropped. Answers how many
    /// tasks that was: what a power cut brought back into the file though it had been settled.
    pub(crate) fn keep_only(&mut self, source: usize, claim: ClaimId, left: &[Claimed]) -> usize {
        let ours = self.held.values().filter(|held| held.source == source && held.like().claim == claim);
        let gone = ours.map(|held| (held.key, held.buffered - held.places_in(left)));
        let gone: Vec<_> = gone.filter(|(_, members)| !members.is_empty()).collect();
        gone.iter().for_each(|(key, members)| self.give_up(*key, *members, None));
        gone.iter().map(|(_, members)| members.len()).sum()
    }

    /// Asks those runs to stop whose type says so.
    pub(super) fn stop_leaseless(&self, specs: &Specs, which: impl Fn(&Held) -> bool) {
        let cancels = |held: &Held| {
            let spec = specs.get(&held.like().task_type);
            spec.is_some_and(|spec| spec.policy.on_lease_lost == OnLeaseLost::Cancel)
        };
        self.signals(|held| which(held) && cancels(held))
            .iter()
            .for_each(|signal| signal.stop(Stop::LeaseLost));
    }

    /// The lease of what is held of a queue may be over: of types that mind nothing new of it starts, or what runs
    /// is asked to stop.
    pub(crate) fn leaseless(&mut self, source: usize, specs: &Specs) {
        let minds = specs.0.iter().filter(|(_, spec)| spec.policy.on_lease_lost != OnLeaseLost::Continue);
        let types = minds.map(|(task_type, _)| task_type.clone());
        self.paused.entry(source).or_default().extend(types);
        self.stop_leaseless(specs, |held| held.source == source);
    }

    /// The stop signals of the runs of some held rows.
    pub(super) fn signals(&self, which: impl Fn(&Held) -> bool) -> Vec<StopSignal> {
        let rows = self.held.values().filter(|held| which(held));
        rows.flat_map(|held| held.signals.iter().flatten().cloned()).collect()
    }
}
