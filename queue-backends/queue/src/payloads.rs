//! The payloads of a block, packed.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::Mask;

/// The payloads of a block, in one buffer: `n` as u16, `n` end offsets as u32, then the bytes, all
/// little-endian. Stored and sent as it is; a member's payload is a slice of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Bytes", into = "Bytes")]
pub struct Payloads(Bytes);

impl Payloads {
    /// Packs payloads; how many a block may have is for the queue to say.
    pub fn new<P: AsRef<[u8]>>(payloads: &[P]) -> Self {
        let bytes: usize = payloads.iter().map(|p| p.as_ref().len()).sum();
        let mut buffer = BytesMut::with_capacity(2 + payloads.len() * 4 + bytes);
        buffer.put_u16_le(payloads.len() as u16);
        let mut end = 0;
        for payload in payloads {
            end += payload.as_ref().len() as u32;
            buffer.put_u32_le(end);
        }
        payloads.iter().for_each(|payload| buffer.put_slice(payload.as_ref()));
        Self(buffer.freeze())
    }

    /// Takes what was stored; `None` when the offsets do not describe the buffer.
    #[must_use]
    pub fn from_bytes(bytes: Bytes) -> Option<Self> {
        let n = usize::from(u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?));
        let data = bytes.len().checked_sub(2 + 4 * n)?;
        let payloads = Self(bytes);
        let ends = (0..n).map(|i| payloads.end(i));
        let ordered = ends.clone().is_sorted() && ends.last().unwrap_or(0) == data;
        ordered.then_some(payloads)
    }

    /// As stored.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// How many members.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(u16::from_le_bytes([self.0[0], self.0[1]]))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The payload of a member, sharing the buffer; empty when there is no such member.
    #[must_use]
    pub fn get(&self, ordinal: u8) -> Bytes {
        let (n, i) = (self.len(), usize::from(ordinal));
        if i >= n {
            return Bytes::new();
        }
        let (data, start) = (2 + 4 * n, if i == 0 { 0 } else { self.end(i - 1) });
        self.0.slice(data + start..data + self.end(i))
    }

    /// The same ordinals, with only the payloads of `keep`: what travels when part of a block is claimed.
    #[must_use]
    pub fn only(&self, keep: Mask) -> Self {
        if keep.len() >= self.len() {
            return self.clone();
        }
        let kept: Vec<Bytes> =
            (0..self.len() as u8).map(|o| if keep.has(o) { self.get(o) } else { Bytes::new() }).collect();
        Self::new(&kept)
    }

    fn end(&self, i: usize) -> usize {
        let at = 2 + 4 * i;
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]]) as usize
    }
}

impl TryFrom<Bytes> for Payloads {
    type Error = &'static str;
    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        Self::from_bytes(bytes).ok_or("the offsets of the payloads do not describe them")
    }
}

impl From<Payloads> for Bytes {
    fn from(payloads: Payloads) -> Self {
        payloads.0
    }
}

impl fmt::Debug for Payloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Payloads never reach a log.
        write!(f, "{} payloads in {} bytes", self.len(), self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back_as_they_went_in() {
        let payloads = Payloads::new(&["a", "", "ccc"]);
        assert_eq!(payloads.len(), 3);
        assert_eq!(
            [payloads.get(0), payloads.get(1), payloads.get(2), payloads.get(3)],
            ["a", "", "ccc", ""]
        );
        assert_eq!(Payloads::from_bytes(payloads.as_bytes().clone()), Some(payloads.clone()));
        let last = payloads.only(Mask::one(2));
        assert_eq!([last.get(0), last.get(2)], ["", "ccc"]);
        for cut in 0..payloads.as_bytes().len() {
            assert_eq!(Payloads::from_bytes(payloads.as_bytes().slice(..cut)), None, "{cut}");
        }
    }
}
