//! Claims that the server may not have on its disk yet. A claim does not wait for that, so a crash of the server may
//! undo one whose tasks run here. Each is remembered until the disk is known to have it; after a crash the server
//! hands out nothing to a drone before it was told what of it the drone holds.
//!
//! What shows that the disk has it: a beat, a flush or a settle that waited for the disk, and before which no crash can
//! have come between. A beat and a flush say so themselves; a settle that was accepted shows it for its own claim and
//! those before.
//!
//! Of what a drone settled lazily it is only known that there is some. Once the server has been told what the drone
//! holds it no longer shows that there was a crash, so that is noted here: the drone's next flush says it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use skep_queue::{BlockId, ClaimId, Claimed, Incarnation, Mask, Settled, Settlement};

use crate::walk::Place;

/// Of all drones of this process.
#[derive(Debug, Default)]
pub(crate) struct Unflushed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Counts beginnings and ends of calls: what was before what.
    moment: u64,
    /// Of drones that have told what they hold.
    told: HashMap<Incarnation, Told>,
    claims: HashMap<ClaimId, Promise>,
    /// Drones that have settled lazily since their last flush.
    lazy: HashMap<Incarnation, Lazy>,
}

/// What a drone settled lazily.
#[derive(Debug, Default)]
struct Lazy {
    /// When the last of it was begun.
    begun: u64,
    /// The server was told since what the drone holds: a crash may have undone some.
    undone: bool,
}

/// What a drone holds was told.
#[derive(Debug, Default)]
struct Told {
    /// How many calls that tell it are under way; and when the last of them ended.
    calls: usize,
    ended: u64,
}

/// A claim as it was answered.
#[derive(Debug)]
struct Promise {
    drone: Incarnation,
    /// When it was asked for, and when it was answered.
    asked: u64,
    answered: u64,
    rows: Vec<Held>,
}

/// Members of a block, and the fence under which they were handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) claim: ClaimId,
    pub(crate) block: BlockId,
    pub(crate) members: Mask,
    pub(crate) fence: u32,
}

/// A call that tells what a drone holds is under way.
pub(crate) struct Telling<'u> {
    unflushed: &'u Unflushed,
    drone: Incarnation,
    /// All of it, claim by claim.
    pub(crate) held: Vec<Held>,
}

// === impl Unflushed ===

impl Unflushed {
    /// A call begins.
    pub(crate) fn begin(&self) -> u64 {
        self.state().next()
    }

    /// A beat begins: when, and whether it is to wait for the disk.
    pub(crate) fn begin_beat(&self, drone: Incarnation) -> (u64, bool) {
        let mut state = self.state();
        (state.next(), state.claims.values().any(|promise| promise.drone == drone))
    }

    /// A claim that was asked for at `asked` has been answered. False when it must be asked for again: while it was told
    /// what the drone holds, this was not among it, and a crash may have come between.
    pub(crate) fn answered(
        &self,
        drone: Incarnation,
        claim: ClaimId,
        asked: u64,
        rows: &[(Place, Claimed)],
    ) -> bool {
        let mut state = self.state();
        let answered = state.next();
        if state.told.get(&drone).is_some_and(|told| told.calls > 0 || told.ended > asked) {
            return rows.is_empty();
        }
        if !rows.is_empty() {
            let held = |(_, row): &(Place, Claimed)| Held {
                claim,
                block: row.block,
                members: row.live,
                fence: row.fence,
            };
            let rows = rows.iter().map(held).collect();
            state.claims.insert(claim, Promise { drone, asked, answered, rows });
        }
        true
    }

    /// A beat that began then was heard, and waited for the disk.
    pub(crate) fn beaten(&self, drone: Incarnation, begun: u64) {
        self.state().claims.retain(|_, promise| promise.drone != drone || promise.answered > begun);
    }

    /// A drone is gone.
    pub(crate) fn forget(&self, drone: Incarnation) {
        let mut state = self.state();
        state.claims.retain(|_, promise| promise.drone != drone);
        state.lazy.remove(&drone);
        state.told.retain(|of, told| *of != drone || told.calls > 0);
    }

    /// A drone begins to settle lazily.
    pub(crate) fn begin_lazily(&self, drone: Incarnation) {
        let mut state = self.state();
        let begun = state.next();
        state.lazy.entry(drone).or_default().begun = begun;
    }

    /// A flush begins: when. None when there is nothing to flush.
    pub(crate) fn begin_flush(&self, drone: Incarnation) -> Option<u64> {
        let mut state = self.state();
        state.lazy.contains_key(&drone).then(|| state.next())
    }

    /// A flush that began then was answered; whether nothing was undone as far as it is known here.
    pub(crate) fn end_flush(&self, drone: Incarnation, begun: u64) -> bool {
        let mut state = self.state();
        let whole = state.lazy.get(&drone).is_none_or(|lazy| !lazy.undone);
        // Of what began meanwhile the next one tells.
        if state.lazy.get(&drone).is_some_and(|lazy| lazy.begun < begun) {
            state.lazy.remove(&drone);
        }
        whole
    }

    /// Of each settlement: whose claim it is, if the disk may not have it.
    pub(crate) fn holders(&self, settlements: &[Settlement]) -> Vec<Option<Incarnation>> {
        let state = self.state();
        let holder = |settlement: &Settlement| state.claims.get(&settlement.claim).map(|of| of.drone);
        settlements.iter().map(holder).collect()
    }

    /// What was settled was there, and with it, by now on disk, what its drone was handed out before it.
    pub(crate) fn settled(&self, settlements: &[Settlement], settled: &[Settled]) {
        let mut state = self.state();
        let mut since: HashMap<Incarnation, u64> = HashMap::new();
        for (settlement, settled) in settlements.iter().zip(settled) {
            if !settled.accepted.is_empty()
                && let Some(promise) = state.claims.remove(&settlement.claim)
            {
                let last = since.entry(promise.drone).or_default();
                *last = promise.asked.max(*last);
            }
        }
        if !since.is_empty() {
            let open = |promise: &Promise| since.get(&promise.drone).is_none_or(|at| promise.answered > *at);
            state.claims.retain(|_, promise| open(promise));
        }
    }

    /// What a drone holds, to be told. No answer to a claim of its is believed meanwhile.
    pub(crate) fn tell(&self, drone: Incarnation) -> Telling<'_> {
        let mut state = self.state();
        state.told.entry(drone).or_default().calls += 1;
        if let Some(lazy) = state.lazy.get_mut(&drone) {
            lazy.undone = true;
        }
        let own = state.claims.values().filter(|promise| promise.drone == drone);
        let held = own.flat_map(|promise| promise.rows.iter().copied()).collect();
        Telling { unflushed: self, drone, held }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }
}

// === impl Telling ===

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        let mut state = self.unflushed.state();
        let ended = state.next();
        let told = state.told.entry(self.drone).or_default();
        (told.calls, told.ended) = (told.calls.saturating_sub(1), ended);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use skep_queue::{Ending, Options, Outcome, Payloads, Priority, QueueName, Timestamp};
    use uuid::Uuid;

    use super::*;
    use crate::wire::Moment;

    const ONE: Incarnation = Incarnation(Uuid::from_u128(1));
    const TWO: Incarnation = Incarnation(Uuid::from_u128(2));

    fn claim(n: u128) -> ClaimId {
        ClaimId(Uuid::from_u128(n))
    }

    fn row(of: ClaimId) -> (Place, Claimed) {
        let claimed = Claimed {
            claim: of,
            block: BlockId(of.0),
            live: Mask::one(0),
            queue: QueueName::default(),
            task_type: "a".parse().unwrap(),
            priority: Priority::default(),
            attempts: 0,
            losses: 0,
            interruptions: 0,
            fence: 1,
            suspect: 0,
            options: Arc::<Options>::default(),
            created_at: Timestamp::from_micros(0),
            payloads: Payloads::new(&["1"]),
        };
        ((3, Moment(Timestamp::from_micros(0)), 0), claimed)
    }

    /// A claim that is asked for and answered at once.
    fn pump(unflushed: &Unflushed, drone: Incarnation, n: u128) -> bool {
        let asked = unflushed.begin();
        unflushed.answered(drone, claim(n), asked, &[row(claim(n))])
    }

    fn held(unflushed: &Unflushed, drone: Incarnation) -> Vec<u128> {
        let mut held: Vec<u128> =
            unflushed.tell(drone).held.iter().map(|held| held.claim.0.as_u128()).collect();
        held.sort_unstable();
        held
    }

    fn settle(unflushed: &Unflushed, n: u128, accepted: Mask) {
        let endings = vec![Ending { members: Mask::one(0), outcome: Outcome::done() }];
        let settlement = Settlement { claim: claim(n), block: BlockId(claim(n).0), endings };
        unflushed.settled(&[settlement], &[Settled { accepted, ..Settled::default() }]);
    }

    #[test]
    fn a_beat_shows_what_was_answered_before_it() {
        let unflushed = Unflushed::default();
        assert!(!unflushed.begin_beat(ONE).1, "nothing to flush");
        assert!(pump(&unflushed, ONE, 1) && pump(&unflushed, TWO, 2));
        let (begun, flush) = unflushed.begin_beat(ONE);
        assert!(flush && pump(&unflushed, ONE, 3));
        unflushed.beaten(ONE, begun);
        assert_eq!((held(&unflushed, ONE), held(&unflushed, TWO)), (vec![3], vec![2]));
        unflushed.forget(ONE);
        assert_eq!((held(&unflushed, ONE), held(&unflushed, TWO)), (vec![], vec![2]));
    }

    #[test]
    fn a_settle_shows_its_claim_and_those_of_its_drone_before_it() {
        let unflushed = Unflushed::default();
        assert!((1..=3).all(|n| pump(&unflushed, ONE, n)) && pump(&unflushed, TWO, 4));
        settle(&unflushed, 2, Mask::EMPTY);
        assert_eq!(held(&unflushed, ONE), [1, 2, 3], "what is not accepted shows nothing");
        settle(&unflushed, 2, Mask::one(0));
        assert_eq!((held(&unflushed, ONE), held(&unflushed, TWO)), (vec![3], vec![4]));
    }

    #[test]
    fn a_flush_tells_of_what_began_before_it() {
        let unflushed = Unflushed::default();
        assert!(unflushed.begin_flush(ONE).is_none(), "nothing to flush");
        unflushed.begin_lazily(ONE);
        assert!(unflushed.begin_flush(TWO).is_none());
        drop(unflushed.tell(TWO));
        let begun = unflushed.begin_flush(ONE).unwrap();
        drop(unflushed.tell(ONE));
        unflushed.begin_lazily(ONE);
        assert!(!unflushed.end_flush(ONE, begun), "it was told what is held");
        let begun = unflushed.begin_flush(ONE).unwrap();
        assert!(!unflushed.end_flush(ONE, begun), "what began meanwhile may be undone too");
        assert!(unflushed.begin_flush(ONE).is_none(), "it is said once");
        unflushed.begin_lazily(ONE);
        let begun = unflushed.begin_flush(ONE).unwrap();
        assert!(unflushed.end_flush(ONE, begun));
    }

    #[test]
    fn an_answer_that_was_not_told_is_not_believed() {
        let unflushed = Unflushed::default();
        let (asked, early) = (unflushed.begin(), [row(claim(1))]);
        let telling = unflushed.tell(ONE);
        assert!(!unflushed.answered(ONE, claim(1), asked, &early), "it was asked for before");
        assert!(!pump(&unflushed, ONE, 2), "it may have been undone since");
        assert!(unflushed.answered(ONE, claim(3), asked, &[]), "nothing cannot be undone");
        assert!(pump(&unflushed, TWO, 4), "another's");
        drop(telling);
        assert!(!unflushed.answered(ONE, claim(1), asked, &early));
        assert!(pump(&unflushed, ONE, 1), "asked for again");
        assert_eq!(held(&unflushed, ONE), [1]);
    }
}
