//! A row of the local queue is a sheaf: up to 128 tasks that were claimed together and are alike, of one block
//! or of many. Its tasks are known by their places in it, and what has become of them is sets of places.

use std::{sync::Arc, time::Duration};

use skep_queue::{
    Block, Claimed, Ending, Mask, Outcome, Payloads, Settled, Settlement, TaskId, block::DEFAULT_MAX_ATTEMPTS,
};

use super::straw::Straw;
use crate::{
    spec::Spec,
    worker::{FollowUp, Slot, StopSignal, Task},
};

/// A row of the file.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) key: u64,
    pub(crate) source: usize,
    /// Its blocks, at least one, in the order in which they start.
    pub(crate) straws: Vec<Straw>,
    pub(crate) chain: Chain,
    /// Not yet reported.
    pub(crate) live: Mask,
    /// Waiting for a hand.
    pub(crate) buffered: Mask,
    /// In a worker's hands.
    pub(crate) running: Mask,
    /// Was in a worker's hands at some time: what is on file.
    pub(crate) started: Mask,
    /// Has an outcome, on file or not.
    pub(crate) ended: Mask,
    /// Asks those that run to stop, by place.
    pub(crate) signals: Vec<Option<StopSignal>>,
    /// Outcomes not yet on file.
    pub(crate) fresh: Vec<Ending>,
    /// Outcomes on file.
    pub(crate) kept: Vec<Kept>,
    /// Of these the places in parcels that are on their way.
    pub(crate) told: Mask,
    /// When it was stored.
    pub(crate) since: Duration,
}

/// Where in a chain of local follow-ups a held member is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain {
    /// From 0: the task itself.
    pub(crate) link: u32,
    /// What enters the queue at its end.
    pub(crate) carry: Arc<[Block]>,
}

/// A row of the outbox.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) row: u64,
    /// Places not yet reported, of those that the endings name.
    pub(crate) left: Mask,
    pub(crate) endings: Vec<Ending>,
}

/// Outcomes of one block of a held row, on their way to the backend.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(super) key: u64,
    pub(super) straw: usize,
    pub(crate) settlement: Settlement,
}

/// What one local transaction writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flush {
    /// Outcomes, and the held row of each.
    pub(crate) endings: Vec<(u64, Kept)>,
    /// Members that go on as the next link of their chain: parent row, the new row.
    pub(crate) links: Vec<(u64, Held)>,
    /// What is done with.
    pub(crate) trash: Vec<Trash>,
}

/// What is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trash {
    /// A row of the outbox.
    Row(u64),
    /// Some members of a row of the outbox: these are left.
    Shrink(u64, Mask),
    /// A held row.
    Held(u64),
    /// Some members of a held row: these are left.
    Live(u64, Mask),
}

// === impl Held ===

impl Held {
    /// A row of which nothing has started.
    pub(crate) fn new(key: u64, source: usize, claims: Vec<Claimed>, chain: Chain, since: Duration) -> Self {
        let mut from = 0;
        let straws: Vec<Straw> = claims
            .into_iter()
            .map(|claimed| {
                let straw = Straw::new(from, claimed);
                from = from.saturating_add(straw.claimed.live.len() as u8);
                straw
            })
            .collect();
        let (live, none) = (Mask::first(usize::from(from)), Mask::EMPTY);
        Self {
            key,
            source,
            straws,
            chain,
            live,
            buffered: live,
            running: none,
            started: none,
            ended: none,
            signals: Vec::new(),
            fresh: Vec::new(),
            kept: Vec::new(),
            told: none,
            since,
        }
    }

    /// What its blocks have in common: claim, queue, type, priority, and whether they are suspects.
    pub(crate) fn like(&self) -> &Claimed {
        &self.straws[0].claimed
    }

    /// How many places there are.
    pub(super) fn places(&self) -> usize {
        self.straws.last().map_or(0, |last| usize::from(last.from) + last.claimed.live.len())
    }

    /// The task at a place.
    pub(super) fn id(&self, place: u8) -> TaskId {
        let straw = &self.straws[self.straw(place)];
        straw.claimed.block.task(straw.ordinal(place))
    }

    /// The task at a place as a worker sees it.
    pub(super) fn task(&self, place: u8, spec: Option<&Spec>) -> Task {
        let straw = &self.straws[self.straw(place)];
        let (claimed, ordinal) = (&straw.claimed, straw.ordinal(place));
        let limit = spec.map_or(DEFAULT_MAX_ATTEMPTS, |spec| spec.policy.max_attempts);
        Task {
            id: claimed.block.task(ordinal),
            queue: claimed.queue.clone(),
            task_type: claimed.task_type.clone(),
            payload: claimed.payloads.get(ordinal),
            content: claimed.options.content,
            attempt: claimed.attempts + 1,
            of: claimed.options.max_attempts.unwrap_or(limit),
            fence: claimed.fence,
            timeout: spec.and_then(|spec| spec.timeout),
            meta: claimed.options.meta.clone(),
            created_at: claimed.created_at,
            slot: Slot {
                source: self.source,
                held: self.key,
                place,
                claim: Some(claimed.claim),
                suspect: claimed.suspect,
                link: self.chain.link,
                carry: self.chain.carry.clone(),
            },
        }
    }

    /// The places of those members that are among these.
    pub(super) fn places_in(&self, claims: &[Claimed]) -> Mask {
        let places = |straw: &Straw| {
            let same = claims.iter().filter(|claimed| claimed.block == straw.claimed.block);
            same.fold(Mask::EMPTY, |places, claimed| places | straw.places_of(claimed.live))
        };
        self.straws.iter().map(places).fold(Mask::EMPTY, |all, places| all | places)
    }

    /// The block that a place belongs to.
    pub(super) fn straw(&self, place: u8) -> usize {
        self.straws.partition_point(|straw| straw.from <= place).saturating_sub(1)
    }

    /// A run has ended.
    pub(super) fn ran(&mut self, place: u8, now: Duration) {
        self.running -= Mask::one(place);
        if let Some(signal) = self.signals.get_mut(usize::from(place)) {
            *signal = None;
        }
        let at = self.straw(place);
        let straw = &mut self.straws[at];
        if (straw.places() & self.ended).is_empty() {
            straw.waiting = now;
        }
    }

    /// Notes an outcome, to be written.
    pub(super) fn end(&mut self, members: Mask, outcome: Outcome) {
        self.ended |= members;
        push(&mut self.fresh, Ending { members, outcome });
    }

    /// Outcomes that may be reported: of blocks whose members are all done, and of those that have waited
    /// long enough for a slow one.
    pub(super) fn ripe(&self, now: Duration, split_after: Duration, parcels: &mut Vec<Parcel>) {
        let filed = self.kept.iter().fold(Mask::EMPTY, |filed, kept| filed | kept.left);
        for (at, straw) in self.straws.iter().enumerate() {
            let places = straw.places();
            if (places & (filed - self.told)).is_empty() || now < straw.not_before {
                continue;
            }
            let whole = ((places & self.live) - filed).is_empty();
            if whole || now >= straw.waiting + split_after {
                let endings = self.endings_of(straw);
                let (claim, block) = (straw.claimed.claim, straw.claimed.block);
                let settlement = Settlement { claim, block, endings };
                parcels.push(Parcel { key: self.key, straw: at, settlement });
            }
        }
    }

    /// The outcomes of a block that are on file and not on their way, by its own ordinals.
    fn endings_of(&self, straw: &Straw) -> Vec<Ending> {
        let mut endings = Vec::new();
        for kept in &self.kept {
            let places = straw.places() & (kept.left - self.told);
            if places.is_empty() {
                continue;
            }
            for ending in kept.endings.iter().filter(|ending| !(ending.members & places).is_empty()) {
                let members = straw.ordinals(ending.members & places);
                push(&mut endings, Ending { members, outcome: ending.outcome.clone() });
            }
        }
        endings
    }

    /// A parcel is on its way: it is not in another before it is answered.
    pub(super) fn tell(&mut self, parcel: &Parcel) {
        if let Some(straw) = self.straws.get(parcel.straw) {
            self.told |= straw.places_of(parcel.members());
        }
    }

    /// A parcel was answered. Says which places are done with; the others are not reported before `until`.
    pub(super) fn answered(&mut self, parcel: &Parcel, answer: Option<&Settled>, until: Duration) -> Mask {
        let Some(straw) = self.straws.get_mut(parcel.straw) else { return Mask::EMPTY };
        let done = answer.map_or(Mask::EMPTY, |a| a.accepted | a.already | a.stale | a.gone);
        let reported = parcel.members();
        self.told -= straw.places_of(reported);
        if !(reported - done).is_empty() {
            straw.not_before = until;
        }
        straw.places_of(done & reported)
    }

    /// The same member, with the next link's type and payload, as a row of its own.
    pub(super) fn next_link(&self, key: u64, place: u8, link: FollowUp, carry: Arc<[Block]>) -> Self {
        let straw = &self.straws[self.straw(place)];
        let ordinal = straw.ordinal(place);
        let mut payloads = vec![bytes::Bytes::new(); usize::from(ordinal)];
        payloads.push(link.payload);
        let claimed = Claimed {
            live: Mask::one(ordinal),
            task_type: link.task_type,
            payloads: Payloads::new(&payloads),
            ..straw.claimed.clone()
        };
        Self::new(key, self.source, vec![claimed], Chain { link: self.chain.link + 1, carry }, self.since)
    }

    /// What to write of a row that has fewer members.
    pub(super) fn left(&self) -> Trash {
        if self.live.is_empty() { Trash::Held(self.key) } else { Trash::Live(self.key, self.live) }
    }
}

// === impl Parcel ===

impl Parcel {
    fn members(&self) -> Mask {
        self.settlement.endings.iter().fold(Mask::EMPTY, |all, ending| all | ending.members)
    }
}

// === impl Flush ===

impl Flush {
    pub(crate) fn is_empty(&self) -> bool {
        self.endings.is_empty() && self.links.is_empty() && self.trash.is_empty()
    }
}

/// Adds an ending, to the last one when it is the same.
fn push(endings: &mut Vec<Ending>, ending: Ending) {
    match endings.last_mut() {
        Some(last) if last.outcome == ending.outcome && last.outcome == Outcome::done() => {
            last.members |= ending.members;
        }
        _ => endings.push(ending),
    }
}
