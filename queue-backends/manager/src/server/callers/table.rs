//! The tasks that somebody waits for. Plain data under one lock; nothing here waits.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use bytes::Bytes;
use skep_queue::{ClaimId, Incarnation, TaskId};
use tokio::sync::oneshot;

use super::Ear;
use crate::wire::End;

/// After what time without news a task is looked at, at first and in the long run.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];

/// The tasks by their ids, and when each is to be looked at.
#[derive(Default)]
pub(super) struct Table {
    tasks: HashMap<TaskId, Watched>,
    /// Zero for at once.
    looks: BTreeSet<(Duration, TaskId)>,
    callers: usize,
    next: u64,
}

/// Who was given a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) drone: Incarnation,
    pub(super) claim: ClaimId,
}

#[derive(Default)]
struct Watched {
    callers: BTreeMap<u64, (oneshot::Sender<End>, Box<dyn Ear>)>,
    last: Option<Bytes>,
    held: Option<Held>,
    /// Something was done to it before it was known to be in the store.
    touched: bool,
    /// Absent until the task is known to be in the store.
    look: Option<Look>,
}

#[derive(Clone, Copy)]
struct Look {
    /// Its place in `looks`; absent while it is being looked at.
    at: Option<Duration>,
    pause: Duration,
}

impl Table {
    pub(super) const fn callers(&self) -> usize {
        self.callers
    }

    pub(super) fn register(&mut self, task: TaskId, end: oneshot::Sender<End>, ear: Box<dyn Ear>) -> u64 {
        self.next += 1;
        self.callers += 1;
        let watched = self.tasks.entry(task).or_default();
        if let Some(last) = &watched.last {
            ear.hear(last.clone());
        }
        watched.callers.insert(self.next, (end, ear));
        self.next
    }

    /// One goes; the task with its last.
    pub(super) fn forget(&mut self, task: TaskId, key: u64) {
        let Some(watched) = self.tasks.get_mut(&task) else { return };
        self.callers -= usize::from(watched.callers.remove(&key).is_some());
        if watched.callers.is_empty() {
            self.remove(task);
        }
    }

    fn remove(&mut self, task: TaskId) -> Option<Watched> {
        let watched = self.tasks.remove(&task)?;
        if let Some(at) = watched.look.and_then(|look| look.at) {
            self.looks.remove(&(at, task));
        }
        Some(watched)
    }

    /// Tells everybody; each hears it once, since nobody is left.
    pub(super) fn end(&mut self, task: TaskId, end: &End) {
        let Some(watched) = self.remove(task) else { return };
        self.callers -= watched.callers.len();
        for (sender, _) in watched.callers.into_values() {
            let _ = sender.send(end.clone());
        }
    }

    pub(super) fn hold(&mut self, task: TaskId, held: Held) {
        if let Some(watched) = self.tasks.get_mut(&task) {
            watched.held = Some(held);
        }
    }

    /// Another drone has taken over what this one had.
    pub(super) fn inherit(&mut self, former: Incarnation, drone: Incarnation) {
        let held = self.tasks.values_mut().filter_map(|watched| watched.held.as_mut());
        held.filter(|held| held.drone == former).for_each(|held| held.drone = drone);
    }

    pub(super) fn held_by(&self, drone: Incarnation) -> Vec<TaskId> {
        let holds = |watched: &Watched| watched.held.is_some_and(|held| held.drone == drone);
        self.tasks.iter().filter(|(_, watched)| holds(watched)).map(|(task, _)| *task).collect()
    }

    /// Whether somebody would hear what is said of a task under a claim; not when another claim has it now.
    pub(super) fn hears(&self, task: TaskId, claim: ClaimId) -> bool {
        let watched = self.tasks.get(&task);
        watched.is_some_and(|watched| watched.held.is_none_or(|held| held.claim == claim))
    }

    pub(super) fn note(&mut self, task: TaskId, note: &Bytes) {
        let Some(watched) = self.tasks.get_mut(&task) else { return };
        watched.callers.values().for_each(|(_, ear)| ear.hear(note.clone()));
        watched.last = Some(note.clone());
    }

    // === Looks ===

    /// The task is in the store, and looks at it begin. The next one is not put off.
    pub(super) fn look(&mut self, task: TaskId, now: Duration, at_once: bool) {
        let Some(watched) = self.tasks.get_mut(&task) else { return };
        if watched.look.is_none() {
            let at = now + PAUSES[0];
            watched.look = Some(Look { at: Some(at), pause: PAUSES[0] });
            self.looks.insert((at, task));
        }
        if at_once || std::mem::take(&mut watched.touched) {
            self.look_now(task);
        }
    }

    /// Looks as soon as may be: at once, or when the task is known to be in the store.
    pub(super) fn look_now(&mut self, task: TaskId) {
        let Some(watched) = self.tasks.get_mut(&task) else { return };
        let Some(look) = &mut watched.look else {
            watched.touched = true;
            return;
        };
        if let Some(at) = look.at.replace(Duration::ZERO) {
            self.looks.remove(&(at, task));
        }
        self.looks.insert((Duration::ZERO, task));
    }

    /// The next task that is due to be looked at; else how long there is none, if one is due ever.
    pub(super) fn due(&mut self, now: Duration) -> Result<TaskId, Option<Duration>> {
        let Some(&(at, task)) = self.looks.first() else { return Err(None) };
        if at > now {
            return Err(Some(at - now));
        }
        self.looks.remove(&(at, task));
        if let Some(look) = self.tasks.get_mut(&task).and_then(|watched| watched.look.as_mut()) {
            look.at = None;
        }
        Ok(task)
    }

    /// It was looked at, and goes on: the next look comes later, unless one was asked for meanwhile.
    pub(super) fn goes_on(&mut self, task: TaskId, now: Duration) {
        let Some(look) = self.tasks.get_mut(&task).and_then(|watched| watched.look.as_mut()) else { return };
        if look.at.is_none() {
            look.at = Some(now + look.pause);
            self.looks.insert((now + look.pause, task));
            look.pause = look.pause.mul_f64(1.5).min(PAUSES[1]);
        }
    }

    /// Whether it keeps nothing.
    #[cfg(test)]
    pub(super) fn is_bare(&self) -> bool {
        self.tasks.is_empty() && self.looks.is_empty() && self.callers == 0
    }
}
