//! A block in a sheaf: how blocks come together, and the way from ordinals to places in a sheaf and back.

use std::time::Duration;

use skep_queue::{
    Claimed, Mask,
    block::{MAX_BLOCK, MAX_BLOCK_BYTES},
};

/// Members of one block, which have the places of a held row from `from` on.
#[derive(Debug, Clone)]
pub(crate) struct Straw {
    /// The place of its first member.
    pub(crate) from: u8,
    /// As claimed; of a chain, the link that is to run now.
    pub(crate) claimed: Claimed,
    /// Since when the first of its outcomes waits to be reported.
    pub(crate) waiting: Duration,
    /// Do not report before.
    pub(crate) not_before: Duration,
}

/// Sorts claims into sheaves, each of one type and priority, as full as the limits of a block allow. A suspect
/// is in one of its own, since it runs alone.
pub(super) fn sheaves(claims: Vec<Claimed>) -> Vec<Vec<Claimed>> {
    /// How far back to look for one that is alike: a claim has few types.
    const OPEN: usize = 16;
    let mut sheaves: Vec<(usize, usize, Vec<Claimed>)> = Vec::new();
    for claimed in claims {
        let (members, bytes) = (claimed.live.len(), claimed.payloads.as_bytes().len());
        let open = sheaves.iter_mut().rev().take(OPEN).find(|(.., sheaf)| alike(&sheaf[0], &claimed));
        match open.filter(|(m, b, _)| m + members <= MAX_BLOCK && b + bytes <= MAX_BLOCK_BYTES) {
            Some(open) => {
                (open.0, open.1) = (open.0 + members, open.1 + bytes);
                open.2.push(claimed);
            }
            None => sheaves.push((members, bytes, vec![claimed])),
        }
    }
    sheaves.into_iter().map(|(.., sheaf)| sheaf).collect()
}

fn alike(a: &Claimed, b: &Claimed) -> bool {
    let calm = a.suspect == 0 && b.suspect == 0;
    calm && a.claim == b.claim && a.priority == b.priority && a.task_type == b.task_type && a.queue == b.queue
}

// === impl Straw ===

impl Straw {
    pub(super) fn new(from: u8, claimed: Claimed) -> Self {
        Self { from, claimed, waiting: Duration::ZERO, not_before: Duration::ZERO }
    }

    /// Where its members are.
    pub(super) fn places(&self) -> Mask {
        Mask::range(self.from, self.claimed.live.len())
    }

    /// Which member is at a place.
    pub(super) fn ordinal(&self, place: u8) -> u8 {
        let at = usize::from(place.saturating_sub(self.from));
        if self.is_dense() { at as u8 } else { self.claimed.live.iter().nth(at).unwrap_or_default() }
    }

    /// Which members are at places; those of other blocks are left out.
    pub(super) fn ordinals(&self, places: Mask) -> Mask {
        let own = (places & self.places()).down(self.from);
        if self.is_dense() {
            return own;
        }
        let numbered = self.claimed.live.iter().zip(0..);
        numbered.filter(|(_, at)| own.has(*at)).map(|(ordinal, _)| ordinal).collect()
    }

    /// Where members are.
    pub(super) fn places_of(&self, ordinals: Mask) -> Mask {
        let own = ordinals & self.claimed.live;
        if self.is_dense() {
            return own.up(self.from);
        }
        let numbered = self.claimed.live.iter().zip(0..);
        let own: Mask = numbered.filter(|(ordinal, _)| own.has(*ordinal)).map(|(_, at)| at).collect();
        own.up(self.from)
    }

    /// Whether its members are the first of their block, which is nearly always so.
    fn is_dense(&self) -> bool {
        self.claimed.live == Mask::first(self.claimed.live.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::tests::claimed;

    #[test]
    fn places_lead_to_members_and_back() {
        let odd: Mask = (0..64).filter(|ordinal| ordinal % 2 == 1).collect();
        for (from, live) in [(0, Mask::first(128)), (5, Mask::first(1)), (96, odd), (3, Mask::one(127))] {
            let straw = Straw::new(from, claimed(live));
            let here = straw.places();
            assert_eq!(here.iter().next(), Some(from));
            assert_eq!(straw.ordinals(Mask::first(128)).take(here.len()), live.take(here.len()));
            for place in here.iter() {
                let ordinal = straw.ordinal(place);
                assert!(live.has(ordinal));
                assert_eq!(straw.ordinals(Mask::one(place)), Mask::one(ordinal));
                assert_eq!(straw.places_of(Mask::one(ordinal)), Mask::one(place));
            }
            assert_eq!(straw.ordinals(Mask::first(128) - here), Mask::EMPTY);
            assert_eq!(straw.places_of(Mask::first(128) - live), Mask::EMPTY);
        }
    }
}
