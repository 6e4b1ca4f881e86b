//! Which hands are free. The lock is held for a few instructions only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::Config;
use crate::worker::{Deps, Launch, Run};

pub(super) struct Pool {
    pub(super) config: Config,
    pub(super) launch: Launch,
    pub(super) name: Arc<str>,
    pub(super) deps: Deps,
    pub(super) halt: CancellationToken,
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    slots: Vec<Slot>,
    degraded: Option<String>,
}

#[derive(Default)]
struct Slot {
    /// What its last process offered; remembered while the next one starts.
    concurrency: usize,
    free: usize,
    /// There while its process takes tasks.
    inbox: Option<mpsc::UnboundedSender<Run>>,
}

impl Pool {
    pub(super) fn new(mut config: Config, launch: Launch, name: &str, deps: Deps) -> Self {
        // A pool of none would wait for ever without a word.
        config.processes = config.processes.max(1);
        let slots = (0..config.processes).map(|_| Slot { concurrency: 1, ..Slot::default() }).collect();
        let state = Mutex::new(State { slots, degraded: None });
        let (halt, freed) = (CancellationToken::new(), Notify::new());
        Self { config, launch, name: name.into(), deps, halt, state, freed }
    }

    pub(super) fn hands(&self) -> usize {
        self.state().slots.iter().map(|slot| slot.concurrency).sum()
    }

    pub(super) fn degraded(&self) -> Option<String> {
        self.state().degraded.clone()
    }

    pub(super) async fn ready(&self) -> usize {
        loop {
            // Made before the look, so that what is freed in between is not missed.
            let freed = self.freed.notified();
            let free = self.state().slots.iter().map(|slot| slot.free).sum();
            if free > 0 {
                return free;
            }
            freed.await;
        }
    }

    /// Gives a run to the process with most hands free; back when there is none.
    pub(super) fn hand_out(&self, run: Run) -> Option<Run> {
        let mut state = self.state();
        let Some(slot) = state.slots.iter_mut().filter(|slot| slot.free > 0).max_by_key(|slot| slot.free)
        else {
            return Some(run);
        };
        let Some(inbox) = &slot.inbox else { return Some(run) };
        match inbox.send(run) {
            Ok(()) => {
                slot.free -= 1;
                None
            }
            Err(mpsc::error::SendError(run)) => Some(run),
        }
    }

    /// A process said hello: it takes tasks now, and the worker is well again.
    pub(super) fn open(&self, slot: usize, concurrency: usize) -> mpsc::UnboundedReceiver<Run> {
        let (inbox, runs) = mpsc::unbounded_channel();
        let mut state = self.state();
        state.degraded = None;
        state.slots[slot] = Slot { concurrency, free: concurrency, inbox: Some(inbox) };
        drop(state);
        self.freed.notify_waiters();
        runs
    }

    /// A task of an open slot has ended.
    pub(super) fn free(&self, slot: usize) {
        let mut state = self.state();
        let slot = &mut state.slots[slot];
        if slot.inbox.is_some() {
            slot.free += 1;
            drop(state);
            self.freed.notify_waiters();
        }
    }

    /// The slot takes no more tasks.
    pub(super) fn close(&self, slot: usize) {
        let mut state = self.state();
        let slot = &mut state.slots[slot];
        (slot.free, slot.inbox) = (0, None);
    }

    pub(super) fn degrade(&self, why: String) {
        self.state().degraded = Some(why);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
