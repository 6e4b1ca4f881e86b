//! Who waits for the end of which task, and is told how it gets on.
//!
//! A caller is registered before anything is asked of the store, so that no end passes unseen. A settle that goes
//! through this manager brings the end with it. What ends otherwise (a rescue, an operator, another manager of
//! the same store) is found by a look at the store: at once where this manager had a hand in it, else now and
//! then.

mod ends;
mod looks;
mod table;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use skep_queue::{Claimed, Clock, Incarnation, Mask, Progress, Settled, Settlement, TaskId};
use tokio::sync::{Notify, oneshot};

pub(super) use ends::end_of;

use self::table::{Held, Table};
use crate::wire::{self, End, Note};

/// Where a caller hears notes.
pub(super) trait Ear: Send + Sync {
    /// Hands on a note, as it travels; drops it when the caller does not keep up.
    fn hear(&self, note: Bytes);
}

/// Every caller of this manager.
pub(super) struct Callers {
    table: Mutex<Table>,
    /// A look is due earlier than was thought.
    sooner: Notify,
    clock: Arc<dyn Clock>,
}

/// One who waits. Dropped, it leaves nothing.
pub(super) struct Caller {
    callers: Arc<Callers>,
    task: TaskId,
    key: u64,
    end: oneshot::Receiver<End>,
}

impl Callers {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { table: Mutex::default(), sooner: Notify::new(), clock })
    }

    /// Registers one more; it hears the last note of its task at once.
    pub(super) fn register(self: &Arc<Self>, task: TaskId, ear: Box<dyn Ear>) -> Caller {
        let (sender, end) = oneshot::channel();
        let key = self.table().register(task, sender, ear);
        Caller { callers: Arc::clone(self), task, key, end }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.table().callers()
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A drone has been given tasks: notes are taken from it, and are over when it is gone.
    pub(super) fn handed(&self, drone: Incarnation, claimed: &[Claimed]) {
        let mut table = self.table();
        if table.callers() == 0 {
            return;
        }
        for row in claimed {
            let held = Held { drone, claim: row.claim };
            row.tasks().for_each(|task| table.hold(task, held));
        }
    }

    /// Settlements were answered: those whose outcome was accepted and ends them have ended; whatever else was
    /// touched is looked at.
    pub(super) fn settled(&self, settlements: &[Settlement], answers: &[Settled]) {
        let mut table = self.table();
        for (settlement, settled) in settlements.iter().zip(answers) {
            let odd = settled.already | settled.stale | settled.gone;
            for ending in &settlement.endings {
                let end = ends::of_outcome(&ending.outcome);
                let tasks = |members: Mask| members.iter().map(|ordinal| settlement.block.task(ordinal));
                for task in tasks(ending.members & settled.accepted) {
                    match &end {
                        Some(end) => table.end(task, end),
                        None => table.look_now(task),
                    }
                }
                tasks(ending.members & odd).for_each(|task| table.look_now(task));
            }
        }
        drop(table);
        self.sooner.notify_one();
    }

    /// Something was done to these tasks that may have ended them.
    pub(super) fn touched(&self, tasks: impl IntoIterator<Item = TaskId>) {
        let mut table = self.table();
        tasks.into_iter().for_each(|task| table.look_now(task));
        drop(table);
        self.sooner.notify_one();
    }

    /// A drone has taken over what another had.
    pub(super) fn inherited(&self, former: Incarnation, drone: Incarnation) {
        self.table().inherit(former, drone);
    }

    /// A drone was taken for gone, and its tasks were rescued.
    pub(super) fn gone(&self, drone: Incarnation) {
        let held = self.table().held_by(drone);
        self.touched(held);
    }

    /// Hands on how running tasks get on, in order.
    pub(super) fn note(&self, notes: Vec<Progress>) {
        let mut table = self.table();
        for progress in notes {
            if table.hears(progress.task, progress.claim)
                && let task = progress.task
                && let Ok(note) = wire::encode(&Note::from(progress))
            {
                table.note(task, &note);
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Caller {
    /// From now on the task is in the store, and is looked at: at once, or when nothing was heard for a while.
    pub(super) fn look(&self, at_once: bool) {
        let now = self.callers.clock.elapsed();
        self.callers.table().look(self.task, now, at_once);
        self.callers.sooner.notify_one();
    }

    /// The end, if it comes within the time.
    pub(super) async fn end(mut self, wait: Duration) -> End {
        let end = tokio::time::timeout(wait, &mut self.end).await;
        end.ok().and_then(Result::ok).unwrap_or(End::Waiting)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.callers.table().forget(self.task, self.key);
    }
}
