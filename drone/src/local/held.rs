//! A row of the local queue: members of one block under one claim, what has become of them, and what is to
//! be written or reported of it.

use std::{sync::Arc, time::Duration};

use skep_queue::{Block, Claimed, Ending, Mask, Outcome, Payloads, Settlement};

use crate::worker::FollowUp;

/// Members of one block under one claim: a row of the file.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) key: u64,
    pub(crate) source: usize,
    /// As claimed; of a chain, the link that is to run now.
    pub(crate) claimed: Arc<Claimed>,
    pub(crate) chain: Chain,
    /// Not yet reported.
    pub(crate) live: Mask,
    /// Waiting for a hand.
    pub(crate) buffered: Mask,
    /// In a worker's hands.
    pub(crate) running: Mask,
    /// Was in a worker's hands at some time: what is on file.
    pub(crate) started: Mask,
    /// Outcomes not yet on file.
    pub(crate) fresh: Vec<Ending>,
    /// How many of its outcomes are being written.
    pub(crate) flushing: usize,
    /// Outcomes on file, by their row.
    pub(crate) kept: Vec<(u64, Ending)>,
    /// Since when the first of `kept` waits to be reported.
    pub(crate) waiting: Duration,
    /// Do not report before.
    pub(crate) not_before: Duration,
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

/// Outcomes of one held row, on their way to the backend.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(super) key: u64,
    pub(super) rows: Vec<u64>,
    pub(crate) settlement: Settlement,
}

/// What one local transaction writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flush {
    /// Outcomes: row, held row, outcome.
    pub(crate) endings: Vec<(u64, u64, Ending)>,
    /// Members that go on as the next link of their chain: parent row, what is left of it, the new row.
    pub(crate) links: Vec<(u64, Held)>,
    /// What is done with.
    pub(crate) trash: Vec<Trash>,
}

/// What is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trash {
    /// An outcome.
    Row(u64),
    /// Some members of an outcome: these are left.
    Shrink(u64, Mask),
    /// A held row.
    Held(u64),
    /// Some members of a held row: these are left.
    Live(u64, Mask),
}

// === impl Held, Parcel, Flush ===

impl Held {
    /// A row of which nothing has started.
    pub(crate) fn new(key: u64, source: usize, claimed: Claimed, chain: Chain, since: Duration) -> Self {
        let (live, none) = (claimed.live, Mask::EMPTY);
        let claimed = Arc::new(claimed);
        let (fresh, kept, zero) = (Vec::new(), Vec::new(), Duration::ZERO);
        Self {
            key,
            source,
            claimed,
            chain,
            live,
            buffered: live,
            running: none,
            started: none,
            fresh,
            flushing: 0,
            kept,
            waiting: zero,
            not_before: zero,
            since,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.buffered.is_empty() && self.running.is_empty() && self.fresh.is_empty() && self.flushing == 0
    }

    pub(super) fn parcel(&self) -> Parcel {
        let mut endings = Vec::new();
        self.kept.iter().for_each(|(_, ending)| push(&mut endings, ending.clone()));
        let settlement = Settlement { claim: self.claimed.claim, block: self.claimed.block, endings };
        Parcel { key: self.key, rows: self.kept.iter().map(|(row, _)| *row).collect(), settlement }
    }

    /// The same member, with the next link's type and payload, as a row of its own.
    pub(super) fn next_link(&self, key: u64, ordinal: u8, link: FollowUp, carry: Arc<[Block]>) -> Self {
        let mut payloads = vec![bytes::Bytes::new(); usize::from(ordinal)];
        payloads.push(link.payload);
        let claimed = Claimed {
            live: Mask::one(ordinal),
            task_type: link.task_type,
            payloads: Payloads::new(&payloads),
            ..(*self.claimed).clone()
        };
        Self::new(key, self.source, claimed, Chain { link: self.chain.link + 1, carry }, self.since)
    }
}

impl Parcel {
    pub(super) fn covers(&self, done: Mask) -> bool {
        self.settlement.endings.iter().all(|ending| (ending.members - done).is_empty())
    }
}

impl Flush {
    pub(crate) fn is_empty(&self) -> bool {
        self.endings.is_empty() && self.links.is_empty() && self.trash.is_empty()
    }
}

/// What to write of a row that has fewer members.
pub(super) fn left(held: &Held) -> Trash {
    if held.live.is_empty() { Trash::Held(held.key) } else { Trash::Live(held.key, held.live) }
}

/// Adds an ending, to the last one when it is the same.
pub(super) fn push(endings: &mut Vec<Ending>, ending: Ending) {
    match endings.last_mut() {
        Some(last) if last.outcome == ending.outcome && last.outcome == Outcome::done() => {
            last.members |= ending.members;
        }
        _ => endings.push(ending),
    }
}
