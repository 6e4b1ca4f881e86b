//! Rows to bytes and back. MessagePack with field names, so that a newer drone reads an older file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use skep_queue::{
    Block, BlockId, ClaimId, Claimed, Ending, Mask, Options, Outcome, Payloads, Priority, QueueName,
    TaskType, Timestamp,
};
use skep_sqlite::Error;

use super::held::{Chain, Held};
pub(super) use crate::seal::seal;

/// What a held row says of its members, apart from who they are.
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    queue: QueueName,
    task_type: TaskType,
    priority: Priority,
    attempts: u16,
    losses: u16,
    interruptions: u16,
    fence: u32,
    suspect: u8,
    options: Arc<Options>,
    created_at: Timestamp,
    #[serde(default)]
    link: u32,
    #[serde(default)]
    carry: Vec<Block>,
}

impl Head {
    pub(super) fn of(held: &Held) -> Self {
        let claimed = &held.claimed;
        Self {
            queue: claimed.queue.clone(),
            task_type: claimed.task_type.clone(),
            priority: claimed.priority,
            attempts: claimed.attempts,
            losses: claimed.losses,
            interruptions: claimed.interruptions,
            fence: claimed.fence,
            suspect: claimed.suspect,
            options: Arc::clone(&claimed.options),
            created_at: claimed.created_at,
            link: held.chain.link,
            carry: held.chain.carry.to_vec(),
        }
    }

    pub(super) fn claimed(
        self,
        claim: ClaimId,
        block: BlockId,
        live: Mask,
        payloads: Payloads,
    ) -> (Claimed, Chain) {
        let chain = Chain { link: self.link, carry: self.carry.into() };
        let claimed = Claimed {
            claim,
            block,
            live,
            queue: self.queue,
            task_type: self.task_type,
            priority: self.priority,
            attempts: self.attempts,
            losses: self.losses,
            interruptions: self.interruptions,
            fence: self.fence,
            suspect: self.suspect,
            options: self.options,
            created_at: self.created_at,
            payloads,
        };
        (claimed, chain)
    }
}

pub(super) fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    rmp_serde::to_vec_named(value)
        .map_err(|e| Error::Refused(format!("a row of the local queue cannot be written: {e}")))
}

pub(super) fn unpack<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, Error> {
    rmp_serde::from_slice(bytes)
        .map_err(|e| Error::Corrupt(format!("a row of the local queue cannot be read: {e}")))
}

/// An ending as stored, sealed together with whose it is. Most are the plain `done`, which takes no bytes.
pub(super) fn pack_ending(held: u64, ending: &Ending) -> Result<Vec<u8>, Error> {
    let outcome = if ending.outcome == Outcome::done() { Vec::new() } else { pack(&ending.outcome)? };
    let members = ending.members.to_bytes();
    Ok(seal(&[&held.to_be_bytes()], [&members[..], &outcome].concat()))
}

/// The ending of those `members` that are not yet reported, of the ones it was written for.
pub(super) fn unpack_ending(held: u64, members: Mask, bytes: &[u8]) -> Result<Ending, Error> {
    let (written, outcome) =
        unseal(&[&held.to_be_bytes()], bytes)?.split_at_checked(16).ok_or_else(damaged)?;
    if !(members - mask(written)?).is_empty() {
        return Err(damaged());
    }
    let outcome = if outcome.is_empty() { Outcome::done() } else { unpack(outcome)? };
    Ok(Ending { members, outcome })
}

/// The bytes behind the sum, when it is right.
pub(super) fn unseal<'a>(beside: &[&[u8]], sealed: &'a [u8]) -> Result<&'a [u8], Error> {
    crate::seal::unseal(beside, sealed).ok_or_else(damaged)
}

fn damaged() -> Error {
    Error::Corrupt("a row of the local queue is damaged".into())
}

pub(super) fn mask(bytes: &[u8]) -> Result<Mask, Error> {
    Mask::from_bytes(bytes).ok_or_else(|| Error::Corrupt("a mask of the local queue is not 16 bytes".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let outcome = Outcome::Complete { result: Some("7".into()), submit: Vec::new() };
        let ending = Ending { members: Mask::first(3), outcome };
        let bytes = pack_ending(5, &ending).unwrap();
        assert_eq!(unpack_ending(5, Mask::first(3), &bytes).unwrap(), ending);
        assert_eq!(unpack_ending(5, Mask::one(2), &bytes).unwrap().members, Mask::one(2));
        assert!(unpack_ending(5, Mask::one(3), &bytes).is_err(), "a member it was not written for");
        assert!(unpack_ending(4, Mask::first(3), &bytes).is_err(), "another row's");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unpack_ending(5, Mask::first(3), &flipped).is_err(), "bit {bit}");
        }
    }
}
