//! Rows to bytes and back. MessagePack with field names, so that a newer drone reads an older file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use skep_queue::{
    Block, BlockId, ClaimId, Claimed, Mask, Options, Outcome, Payloads, Priority, QueueName, TaskType,
    Timestamp,
};
use skep_sqlite::Error;

use super::held::{Chain, Held};

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

/// An outcome as stored: nothing at all for the plain `done`, which most are.
pub(super) fn pack_outcome(outcome: &Outcome) -> Result<Vec<u8>, Error> {
    if *outcome == Outcome::done() { Ok(Vec::new()) } else { pack(outcome) }
}

pub(super) fn unpack_outcome(bytes: &[u8]) -> Result<Outcome, Error> {
    if bytes.is_empty() { Ok(Outcome::done()) } else { unpack(bytes) }
}

pub(super) fn mask(bytes: &[u8]) -> Result<Mask, Error> {
    Mask::from_bytes(bytes).ok_or_else(|| Error::Corrupt("a mask of the local queue is not 16 bytes".into()))
}
