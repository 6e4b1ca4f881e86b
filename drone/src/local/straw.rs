//! A block in a sheaf, and the way from its ordinals to places in the sheaf and back.

use std::time::Duration;

use skep_queue::{Claimed, Mask};

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
