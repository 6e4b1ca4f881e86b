//! A set of ordinals: which members of a block are meant.

use std::{fmt, ops};

use serde::{Deserialize, Serialize};

/// A set of the ordinals 0 to 127 of a block's members. Stored as 16 bytes, big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Mask(u128);

impl Mask {
    /// No member.
    pub const EMPTY: Self = Self(0);

    /// The first `n` members; at most 128.
    #[must_use]
    pub const fn first(n: usize) -> Self {
        if n >= 128 { Self(u128::MAX) } else { Self((1 << n) - 1) }
    }

    /// The one member `ordinal`, which is below 128.
    #[must_use]
    pub const fn one(ordinal: u8) -> Self {
        Self(1 << (ordinal & 127))
    }

    /// The `n` members from `from` on; none beyond 127.
    #[must_use]
    pub const fn range(from: u8, n: usize) -> Self {
        Self::first(n).up(from)
    }

    /// The same members, each numbered `by` higher; those beyond 127 are dropped.
    #[must_use]
    pub const fn up(self, by: u8) -> Self {
        if by >= 128 { Self(0) } else { Self(self.0 << by) }
    }

    /// The same members, each numbered `by` lower; those below are dropped.
    #[must_use]
    pub const fn down(self, by: u8) -> Self {
        if by >= 128 { Self(0) } else { Self(self.0 >> by) }
    }

    /// How many members.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `ordinal` is in the set.
    #[must_use]
    pub const fn has(self, ordinal: u8) -> bool {
        ordinal < 128 && self.0 >> ordinal & 1 == 1
    }

    /// The lowest `n` members of the set.
    #[must_use]
    pub fn take(self, n: usize) -> Self {
        if n >= self.len() { self } else { self.iter().take(n).fold(Self::EMPTY, |m, o| m | Self::one(o)) }
    }

    /// The members, lowest first.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let ordinal = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            (ordinal < 128).then_some(ordinal as u8)
        })
    }

    /// As stored.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// From what was stored; `None` when it is not 16 bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(u128::from_be_bytes(bytes.try_into().ok()?)))
    }
}

impl From<(u64, u64)> for Mask {
    fn from((high, low): (u64, u64)) -> Self {
        Self(u128::from(high) << 64 | u128::from(low))
    }
}

impl From<Mask> for (u64, u64) {
    fn from(mask: Mask) -> Self {
        ((mask.0 >> 64) as u64, mask.0 as u64)
    }
}

impl ops::BitOr for Mask {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl ops::BitOrAssign for Mask {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl ops::BitAnd for Mask {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl ops::Sub for Mask {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl ops::SubAssign for Mask {
    fn sub_assign(&mut self, other: Self) {
        self.0 &= !other.0;
    }
}

impl FromIterator<u8> for Mask {
    fn from_iter<I: IntoIterator<Item = u8>>(ordinals: I) -> Self {
        ordinals.into_iter().fold(Self::EMPTY, |m, o| m | Self::one(o))
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_behave_at_both_ends() {
        assert_eq!(Mask::first(128).len(), 128);
        assert_eq!(Mask::first(0), Mask::EMPTY);
        assert_eq!(Mask::first(3).iter().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(Mask::one(127).iter().collect::<Vec<_>>(), [127]);
        assert!(Mask::one(127).has(127) && !Mask::one(127).has(0) && !Mask::first(128).has(200));
        assert_eq!(Mask::first(128).iter().count(), 128);
        let odd: Mask = (0..128).filter(|o| o % 2 == 1).collect();
        assert_eq!(odd.take(2).iter().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(odd.take(500), odd);
        assert_eq!(Mask::range(126, 5).iter().collect::<Vec<_>>(), [126, 127]);
        assert_eq!((Mask::range(7, 3).down(7), Mask::first(3).up(128)), (Mask::first(3), Mask::EMPTY));
        assert_eq!(Mask::from_bytes(&odd.to_bytes()), Some(odd));
        assert_eq!(Mask::from_bytes(&[0; 15]), None);
        assert_eq!((Mask::first(4) - Mask::first(2)).iter().collect::<Vec<_>>(), [2, 3]);
    }
}
