//! Rows to bytes and back. MessagePack with field names, so that a newer drone reads an older file.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use skep_queue::{
    Block, BlockId, ClaimId, Claimed, Ending, Mask, Options, Outcome, Payloads, Priority, QueueName,
    TaskType, Timestamp,
};
use skep_sqlite::Error;

use super::held::{Chain, Held};
pub(super) use crate::seal::seal;

/// What a held row says of its members, apart from what has become of them.
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    queue: QueueName,
    task_type: TaskType,
    priority: Priority,
    /// What neighbours mostly have in common.
    pasts: Vec<Past>,
    blocks: Vec<HeadBlock>,
    #[serde(default)]
    link: u32,
    #[serde(default)]
    carry: Vec<Block>,
}

/// What happened to a block before, and its options.
#[derive(Serialize, Deserialize)]
struct Past {
    attempts: u16,
    losses: u16,
    interruptions: u16,
    fence: u32,
    suspect: u8,
    options: Arc<Options>,
}

/// A block: its past, id, members as claimed, when it was accepted, and the bytes of its payloads. A tuple,
/// since there are many.
type HeadBlock = (u8, BlockId, Mask, Timestamp, u32);

// === impl Head, Past ===

impl Head {
    pub(super) fn of(held: &Held) -> Self {
        let (mut pasts, mut blocks): (Vec<Past>, Vec<HeadBlock>) = Default::default();
        for straw in &held.straws {
            let claimed = &straw.claimed;
            if !pasts.last().is_some_and(|past| past.is_of(claimed)) {
                pasts.push(Past::of(claimed));
            }
            let bytes = claimed.payloads.as_bytes().len() as u32;
            blocks.push((pasts.len() as u8 - 1, claimed.block, claimed.live, claimed.created_at, bytes));
        }
        let (like, chain) = (held.like(), &held.chain);
        Self {
            queue: like.queue.clone(),
            task_type: like.task_type.clone(),
            priority: like.priority,
            pasts,
            blocks,
            link: chain.link,
            carry: chain.carry.to_vec(),
        }
    }

    /// As claimed; none when the head and the payloads do not fit each other.
    pub(super) fn claimed(&self, claim: ClaimId, mut body: Bytes) -> Option<Vec<Claimed>> {
        let mut claims = Vec::with_capacity(self.blocks.len());
        for (past, block, live, created_at, bytes) in &self.blocks {
            let (past, bytes) = (self.pasts.get(usize::from(*past))?, *bytes as usize);
            if bytes > body.len() {
                return None;
            }
            claims.push(Claimed {
                claim,
                block: *block,
                live: *live,
                queue: self.queue.clone(),
                task_type: self.task_type.clone(),
                priority: self.priority,
                attempts: past.attempts,
                losses: past.losses,
                interruptions: past.interruptions,
                fence: past.fence,
                suspect: past.suspect,
                options: Arc::clone(&past.options),
                created_at: *created_at,
                payloads: Payloads::from_bytes(body.split_to(bytes))?,
            });
        }
        (!claims.is_empty() && body.is_empty()).then_some(claims)
    }

    pub(super) fn chain(self) -> Chain {
        Chain { link: self.link, carry: self.carry.into() }
    }
}

impl Past {
    fn of(claimed: &Claimed) -> Self {
        let Claimed { attempts, losses, interruptions, fence, suspect, .. } = *claimed;
        Self { attempts, losses, interruptions, fence, suspect, options: Arc::clone(&claimed.options) }
    }

    fn is_of(&self, claimed: &Claimed) -> bool {
        let counters = (self.attempts, self.losses, self.interruptions, self.fence, self.suspect);
        let Claimed { attempts, losses, interruptions, fence, suspect, .. } = *claimed;
        counters == (attempts, losses, interruptions, fence, suspect) && self.options == claimed.options
    }
}

/// The payloads of one block after the other.
pub(super) fn body(held: &Held) -> Vec<u8> {
    let bodies = held.straws.iter().map(|straw| &straw.claimed.payloads.as_bytes()[..]);
    let mut body = Vec::with_capacity(bodies.clone().map(<[u8]>::len).sum());
    bodies.for_each(|bytes| body.extend_from_slice(bytes));
    body
}

pub(super) fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    rmp_serde::to_vec_named(value)
        .map_err(|e| Error::Refused(format!("a row of the local queue cannot be written: {e}")))
}

pub(super) fn unpack<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, Error> {
    rmp_serde::from_slice(bytes)
        .map_err(|e| Error::Corrupt(format!("a row of the local queue cannot be read: {e}")))
}

/// Endings as stored, sealed together with whose they are. Most are the plain `done`, which says nothing.
pub(super) fn pack_endings(held: u64, endings: &[Ending]) -> Result<Vec<u8>, Error> {
    fn told(ending: &Ending) -> (Mask, Option<&Outcome>) {
        (ending.members, Some(&ending.outcome).filter(|outcome| **outcome != Outcome::done()))
    }
    let packed = pack(&endings.iter().map(told).collect::<Vec<_>>())?;
    Ok(seal(&[&held.to_be_bytes()], packed))
}

/// The endings of those `members` that are not yet reported, of the ones they were written for.
pub(super) fn unpack_endings(held: u64, members: Mask, bytes: &[u8]) -> Result<Vec<Ending>, Error> {
    let told: Vec<(Mask, Option<Outcome>)> = unpack(unseal(&[&held.to_be_bytes()], bytes)?)?;
    let all = told.iter().fold(Mask::EMPTY, |all, (members, _)| all | *members);
    if !(members - all).is_empty() {
        return Err(damaged());
    }
    let ending = |(of, outcome): (Mask, Option<Outcome>)| Ending {
        members: of & members,
        outcome: outcome.unwrap_or_else(Outcome::done),
    };
    Ok(told.into_iter().map(ending).filter(|ending| !ending.members.is_empty()).collect())
}

/// About how many bytes an outcome takes.
pub(super) fn weight(outcome: &Outcome) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    match outcome {
        Outcome::Complete { result, submit } => {
            let submit = submit.iter().map(|block| block.payloads.as_bytes().len() + 128);
            result.as_ref().map_or(0, Bytes::len) + submit.sum::<usize>()
        }
        outcome => outcome.failure().map_or(0, |f| f.error.len() + text(&f.kind) + text(&f.trace)),
    }
}

/// The bytes behind the sum, when it is right.
pub(super) fn unseal<'a>(beside: &[&[u8]], sealed: &'a [u8]) -> Result<&'a [u8], Error> {
    crate::seal::unseal(beside, sealed).ok_or_else(damaged)
}

fn damaged() -> Error {
    Error::Corrupt("a row of the local queue is damaged".into())
}

/// Which set of places of a row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    /// Of a held row: not yet reported.
    Live,
    /// Of a held row: started.
    Started,
    /// Of a row of the outbox: not yet reported.
    Outbox,
}

/// A set of places as stored, sealed together with whose and which it is.
pub(super) fn pack_places(row: u64, set: Set, places: Mask) -> Vec<u8> {
    seal(&[&row.to_be_bytes(), &[set as u8]], places.to_bytes().to_vec())
}

/// The places.
pub(super) fn unpack_places(row: u64, set: Set, bytes: &[u8]) -> Result<Mask, Error> {
    Mask::from_bytes(unseal(&[&row.to_be_bytes(), &[set as u8]], bytes)?).ok_or_else(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let outcome = Outcome::Complete { result: Some("7".into()), submit: Vec::new() };
        let endings = [
            Ending { members: Mask::first(3), outcome },
            Ending { members: Mask::one(9), outcome: Outcome::done() },
        ];
        let (some, all) = (Mask::one(2) | Mask::one(9), Mask::first(3) | Mask::one(9));
        let bytes = pack_endings(5, &endings).unwrap();
        assert_eq!(unpack_endings(5, all, &bytes).unwrap(), endings);
        let left = unpack_endings(5, some, &bytes).unwrap();
        assert_eq!(
            left.iter().map(|ending| ending.members).collect::<Vec<_>>(),
            [Mask::one(2), Mask::one(9)]
        );
        assert_eq!(unpack_endings(5, Mask::one(9), &bytes).unwrap(), endings[1..]);
        assert!(unpack_endings(5, Mask::one(3), &bytes).is_err(), "a member it was not written for");
        assert!(unpack_endings(4, all, &bytes).is_err(), "another row's");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unpack_endings(5, all, &flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_set_of_places_is_its_rows_own() {
        let (odd, even) = ([1, 3, 127].into_iter().collect::<Mask>(), Mask::one(2));
        let bytes = pack_places(5, Set::Live, odd);
        assert_eq!(unpack_places(5, Set::Live, &bytes).unwrap(), odd);
        assert!(unpack_places(5, Set::Started, &bytes).is_err());
        assert!(unpack_places(6, Set::Live, &bytes).is_err());
        let torn = [&bytes[..8], &pack_places(5, Set::Live, even)[8..]].concat();
        assert!(unpack_places(5, Set::Live, &torn).is_err());
    }

    #[test]
    fn what_moves_between_the_parts_of_a_row_is_seen() {
        let sealed = seal(&[b"ab", b"c"], b"defghijklmnop".to_vec());
        assert!(unseal(&[b"ab", b"c"], &sealed).is_ok());
        assert!(unseal(&[b"a", b"bc"], &sealed).is_err());
        assert!(unseal(&[b"abc", b""], &sealed).is_err());
        assert!(unseal(&[b"ab", b"c"], &seal(&[b"ab"], b"cdefghijklmnop".to_vec())).is_err());
    }
}
