//! How tasks end.

use super::{
    Bug,
    store::{Key, Store},
};
use crate::{
    Block, Cause, ClaimId, Ending, Mask, Outcome, Rejection, Settled, Settlement, admin::State,
    outcome::MAX_INTERRUPTIONS,
};

/// Whether a claim may settle a task.
enum Standing {
    May,
    Already,
    Stale,
    Gone,
}

impl Store {
    pub(super) fn settle(&mut self, settlement: &Settlement) -> Settled {
        let mut settled = Settled::default();
        for ending in &settlement.endings {
            self.settle_ending(settlement, ending, &mut settled);
        }
        settled
    }

    fn settle_ending(&mut self, settlement: &Settlement, ending: &Ending, settled: &mut Settled) {
        let (claim, mut legal) = (settlement.claim, Mask::EMPTY);
        for ordinal in ending.members.iter() {
            let mask = match self.standing(claim, (settlement.block, ordinal), &ending.outcome) {
                Standing::May => &mut legal,
                Standing::Already => &mut settled.already,
                Standing::Stale => &mut settled.stale,
                Standing::Gone => &mut settled.gone,
            };
            *mask |= Mask::one(ordinal);
        }
        let keys: Vec<Key> = legal.iter().map(|ordinal| (settlement.block, ordinal)).collect();
        if keys.is_empty() {
            return;
        }
        match self.step(|store| store.end_all(claim, &keys, &ending.outcome)) {
            Ok(()) => settled.accepted |= legal,
            Err(rejection) => {
                settled.refused |= legal;
                settled.rejection.get_or_insert(rejection);
            }
        }
    }

    fn standing(&self, claim: ClaimId, key: Key, outcome: &Outcome) -> Standing {
        let Some(task) = self.tasks.get(&key) else { return Standing::Gone };
        let by_id = self.has_bug(Bug::SettleById);
        match task.settled {
            _ if !task.state.is_terminal() && (task.claim == Some(claim) || by_id) => Standing::May,
            Some(last) if last == (claim, outcome.tag()) => Standing::Already,
            _ => Standing::Stale,
        }
    }

    /// The members leave, then what follows from them enters; or none of it.
    fn end_all(&mut self, claim: ClaimId, keys: &[Key], outcome: &Outcome) -> Result<(), Rejection> {
        let postbacks: Vec<Block> = keys.iter().filter_map(|key| self.end(claim, *key, outcome)).collect();
        if let Outcome::Complete { submit, .. } = outcome {
            self.bear(submit)?;
        }
        self.post(&postbacks)
    }

    pub(super) fn end(&mut self, claim: ClaimId, key: Key, outcome: &Outcome) -> Option<Block> {
        let (now, worker) = (self.now, self.worker(claim));
        self.charge(key, outcome, worker.clone());
        let task = self.tasks.get_mut(&key).expect("the caller looked");
        task.settled = Some((claim, outcome.tag()));
        if let Outcome::Complete { result, .. } = outcome {
            task.result.clone_from(result);
        }
        let run_at = task.run_at;
        if let Some(state) = outcome.ends_in() {
            return self.leave(key, state, worker);
        }
        if task.cancel {
            task.record(now, Cause::Cancelled, "cancelled by an operator", worker.clone());
            return self.leave(key, State::Cancelled, worker);
        }
        if matches!(outcome, Outcome::Interrupt) && task.interruptions >= MAX_INTERRUPTIONS {
            return self.leave(key, State::Discarded, worker);
        }
        match outcome {
            Outcome::Retry { after, .. } | Outcome::Snooze { after } if !after.is_zero() => {
                self.wait(key, now + *after, State::Scheduled);
            }
            Outcome::Retry { .. } | Outcome::Snooze { .. } => self.wait(key, now, State::Available),
            _ => self.wait(key, run_at, State::Available),
        }
        None
    }

    /// Counts what an outcome costs, and writes down what went wrong.
    fn charge(&mut self, key: Key, outcome: &Outcome, worker: Option<String>) {
        let (now, release) = (self.now, u16::from(self.has_bug(Bug::ReleaseCounts)));
        let task = self.tasks.get_mut(&key).expect("the caller looked");
        let suspect = task.suspect;
        task.suspect = 0;
        match outcome {
            Outcome::Retry { failure, .. } => {
                task.attempts = task.attempts.saturating_add(1);
                task.suspect = failure.suspect;
            }
            Outcome::Discard { .. } => task.attempts = task.attempts.saturating_add(1),
            Outcome::Interrupt => {
                task.interruptions += 1;
                task.record(now, Cause::Interrupted, "cut short by a drain", worker.clone());
            }
            Outcome::Release => {
                task.suspect = suspect;
                task.attempts += release;
            }
            Outcome::Complete { .. } | Outcome::Cancel { .. } | Outcome::Snooze { .. } => {}
        }
        if let Some(failure) = outcome.failure() {
            task.record(now, failure.cause, &failure.error, worker);
        }
    }
}
