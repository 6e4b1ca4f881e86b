//! What may wait in the queue, who wants it, and who was told.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use skep_queue::{Incarnation, TaskType};
use tokio::sync::oneshot;

use super::Kind;

/// Work of one kind, as far as the manager knows.
#[derive(Debug, Default)]
pub(super) struct Stock {
    /// How many tasks came that nobody is known to have taken; at least one while there may be more.
    pub(super) more: usize,
    /// The last that was submitted of it was refused.
    pub(super) refused: bool,
    /// The number of the latest news of it.
    pub(super) news: u64,
    /// Who asked for it.
    pub(super) eaters: HashMap<Incarnation, Eater>,
    /// Who was told to come for it, and has not come.
    woken: Vec<Woken>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Eater {
    /// It has waited for it here, and will again when it has room.
    pub(super) waits: bool,
    /// How many of its shares it was given whole, one after the other.
    pub(super) streak: u32,
}

#[derive(Debug)]
struct Woken {
    drone: Incarnation,
    until: Duration,
    share: usize,
}

/// A drone that waits for work of some types.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) drone: Incarnation,
    pub(super) types: Vec<TaskType>,
    pub(super) wake: oneshot::Sender<()>,
}

/// Every kind that a drone ever asked for, and every drone that waits, the longest first.
#[derive(Debug, Default)]
pub(super) struct Stocks {
    pub(super) kinds: HashMap<Kind, Stock>,
    pub(super) waits: BTreeMap<u64, Wait>,
}

impl Stock {
    /// Work came.
    pub(super) fn came(&mut self, tasks: usize, news: u64) {
        self.more = self.more.saturating_add(tasks);
        self.news = news;
    }

    /// Whether a drone other than this one takes such work when it has room.
    pub(super) fn has_others(&self, drone: Incarnation) -> bool {
        self.eaters.iter().any(|(eater, state)| *eater != drone && state.waits)
    }

    /// Whether there is more than those who were told will take.
    pub(super) fn unpromised(&self) -> bool {
        self.more > self.woken.iter().fold(0, |sum, woken| woken.share.saturating_add(sum))
    }

    pub(super) fn is_woken(&self, drone: Incarnation) -> bool {
        self.woken.iter().any(|woken| woken.drone == drone)
    }

    pub(super) fn wake(&mut self, drone: Incarnation, share: usize, until: Duration) {
        self.woken.push(Woken { drone, until, share });
    }

    /// A drone came.
    pub(super) fn awake(&mut self, drone: Incarnation) {
        self.woken.retain(|woken| woken.drone != drone);
    }

    /// Those who did not come in time have no room.
    pub(super) fn late(&mut self, now: Duration) {
        self.woken.retain(|woken| woken.until > now);
    }

    /// When the first of those who were told is late.
    pub(super) fn next_late(&self) -> Option<Duration> {
        self.woken.iter().map(|woken| woken.until).min()
    }
}

impl Stocks {
    /// A drone says which types it serves; of others it takes none any more.
    pub(super) fn serves(&mut self, drone: Incarnation, types: &[TaskType]) {
        for (_, stock) in self.kinds.iter_mut().filter(|((_, of), _)| !types.contains(of)) {
            stock.eaters.remove(&drone);
        }
    }

    /// Forgets a drone; and whatever nobody else asked for.
    pub(super) fn remove(&mut self, drone: Incarnation) {
        for stock in self.kinds.values_mut() {
            stock.eaters.remove(&drone);
            stock.awake(drone);
        }
        self.kinds.retain(|_, stock| !stock.eaters.is_empty());
        self.waits.retain(|_, wait| wait.drone != drone);
    }
}
