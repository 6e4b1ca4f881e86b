//! Who lives, and what becomes of those who do not.

use std::time::Duration;

use super::{
    Bug,
    store::{DroneRow, Key, Store},
};
use crate::{
    Beat, Cause, ClaimId, Incarnation, Orders, Outcome, Pulse, Rejection, Watch, admin::State, block::OnLost,
    outcome::MAX_LOSSES,
};

impl Store {
    pub(super) fn beat(&mut self, beat: &Beat, watch: &mut Watch, elapsed: Duration) -> Orders {
        self.sweep();
        if !beat.leaving {
            self.renew(beat);
        }
        let (held, lost) = beat.held.iter().partition(|claim| !self.claimed_under(**claim).is_empty());
        let (held, lost): (Vec<ClaimId>, Vec<ClaimId>) = (held, lost);
        for claim in &held {
            self.claims.insert(*claim, beat.drone);
        }
        if beat.leaving {
            self.forget(beat.drone);
        }
        self.rescue(watch, elapsed);
        if beat.leaving { Orders { lost, ..Orders::default() } } else { self.orders(beat, lost) }
    }

    fn renew(&mut self, beat: &Beat) {
        self.beats += 1;
        let before = self.drones.get(&beat.drone);
        let row = DroneRow {
            queue: beat.queue.clone(),
            number: if self.has_bug(Bug::BeatsFromOne) {
                before.map_or(1, |row| row.number + 1)
            } else {
                self.beats
            },
            ttl: beat.ttl,
            beat_at: self.now,
            facts: beat.facts.clone(),
            drain: before.is_some_and(|row| row.drain),
        };
        self.drones.insert(beat.drone, row);
    }

    /// A drone goes. What the queue still has for it, it gave back.
    fn forget(&mut self, drone: Incarnation) {
        for claim in self.claims_of(drone) {
            for key in self.claimed_under(claim) {
                // No room for the postback of one that shall be cancelled: it waits for a rescue.
                let _ = self.step(|store| {
                    let postback = store.end(claim, key, &Outcome::Release);
                    store.post(postback.as_slice())
                });
            }
        }
        if self.claims_of(drone).is_empty() {
            self.drones.remove(&drone);
        }
    }

    fn orders(&mut self, beat: &Beat, lost: Vec<ClaimId>) -> Orders {
        let mine = self.claims_of(beat.drone);
        let wanted = |key: &Key| self.tasks[key].cancel;
        let mut cancel: Vec<Key> =
            mine.iter().flat_map(|claim| self.claimed_under(*claim)).filter(wanted).collect();
        if self.has_bug(Bug::CancelOnce) {
            cancel.retain(|key| self.told.insert(*key));
        }
        let types = beat.facts.types.iter();
        Orders {
            lost,
            phantoms: mine.iter().filter(|claim| !beat.held.contains(claim)).copied().collect(),
            cancel: cancel.into_iter().map(|key| key.0.task(key.1)).collect(),
            paused: types.filter(|t| self.is_paused(&beat.queue, t)).cloned().collect(),
            drain: self.drones.get(&beat.drone).is_some_and(|row| row.drain),
        }
    }

    fn rescue(&mut self, watch: &mut Watch, elapsed: Duration) {
        let rows = self.drones.iter();
        let pulses: Vec<Pulse> =
            rows.map(|(drone, row)| Pulse { drone: *drone, number: row.number, ttl: row.ttl }).collect();
        let mut silent = watch.look(elapsed, &pulses);
        if self.has_bug(Bug::NoOutageRule) {
            silent = pulses;
            silent.retain(|pulse| self.drones[&pulse.drone].beat_at + pulse.ttl <= self.now);
        }
        silent.iter().for_each(|pulse| self.lose_all(pulse.drone));
    }

    /// An operator takes a drone for gone.
    pub(super) fn take_for_gone(&mut self, drone: Incarnation) -> bool {
        let known = self.drones.contains_key(&drone);
        match known {
            true if self.has_bug(Bug::RescueReleases) => self.forget(drone),
            true => self.lose_all(drone),
            false => {}
        }
        known
    }

    /// A drone is gone: its tasks become available again, or end, and it is forgotten.
    fn lose_all(&mut self, drone: Incarnation) {
        for claim in self.claims_of(drone) {
            for key in self.claimed_under(claim) {
                // No room for its postback: it stays lost until the next look.
                let _ = self.step(|store| store.lose(claim, key));
            }
        }
        if self.claims_of(drone).is_empty() {
            self.drones.remove(&drone);
        }
    }

    fn lose(&mut self, claim: ClaimId, key: Key) -> Result<(), Rejection> {
        let (now, worker, late_loses) = (self.now, self.worker(claim), self.has_bug(Bug::LateLoses));
        let task = self.tasks.get_mut(&key).expect("it is claimed");
        task.losses += 1;
        task.record(now, Cause::Lost, "its drone is gone", worker.clone());
        let ended = if task.cancel {
            task.record(now, Cause::Cancelled, "cancelled by an operator", worker.clone());
            State::Cancelled
        } else if task.options.on_lost == OnLost::Fail || task.losses >= MAX_LOSSES {
            State::Discarded
        } else {
            // The claim stays with it: late, but unclaimed, wins.
            (task.state, task.worker) = (State::Available, None);
            task.claim = task.claim.filter(|_| !late_loses);
            return Ok(());
        };
        let postback = self.leave(key, ended, worker);
        self.post(postback.as_slice())
    }
}
