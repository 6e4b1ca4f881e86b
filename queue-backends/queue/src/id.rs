//! Ids. A task id is its block's id with the ordinal in the last 16 bits, so that any task id leads to
//! the row that holds it, and ids sort by time of submission.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Clock, Random};

const ORDINAL: u128 = 0xffff;

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub Uuid);

        impl $type {
            /// As stored.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// From what was stored; `None` when it is not 16 bytes.
            #[must_use]
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                Uuid::from_slice(bytes).ok().map(Self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $type {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id! {
    /// Names one task, for as long as its row is kept.
    TaskId
}
id! {
    /// Names a block: a version 7 UUID with its last 16 bits zero, or any UUID that a user brought for
    /// a block of one.
    BlockId
}
id! {
    /// Names one claim: random, made by the drone, so that a claim whose reply was lost can be asked for
    /// again. It is the fence of every settle.
    ClaimId
}
id! {
    /// Names one start of a drone. A drone that comes back under its old name is another incarnation.
    Incarnation
}

impl BlockId {
    /// A new id, in order of time to the millisecond.
    pub fn new(clock: &dyn Clock, random: &dyn Random) -> Self {
        let millis = (clock.now().micros() / 1000).max(0).cast_unsigned();
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random.bytes()).into_uuid();
        Self(Uuid::from_u128(id.as_u128() & !ORDINAL))
    }

    /// The id of the member `ordinal`. The first member of a block bears the block's own id, which is
    /// how a block of one may have any id at all.
    #[must_use]
    pub fn task(self, ordinal: u8) -> TaskId {
        if ordinal == 0 {
            TaskId(self.0)
        } else {
            TaskId(Uuid::from_u128(self.0.as_u128() & !ORDINAL | u128::from(ordinal)))
        }
    }

    /// The id of the `step`-th block that `parent` gives birth to: the same for every run of the parent,
    /// so that a second run submits the same tasks (an FNV-1a hash of both, as a version 8 UUID).
    #[must_use]
    pub fn derived(parent: TaskId, step: u32) -> Self {
        Self(Uuid::from_u128(hashed(parent.0, &step.to_be_bytes()).as_u128() & !ORDINAL))
    }
}

/// An id that is the same each time (an FNV-1a hash of both, as a version 8 UUID).
fn hashed(id: Uuid, more: &[u8]) -> Uuid {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let seed: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let bytes = id.as_bytes().iter().chain(more);
    let hash = bytes.fold(seed, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
    Uuid::new_v8(hash.to_be_bytes())
}

impl TaskId {
    /// Where to look for the task: as a block of its own, then as a member. In this order, since a user
    /// may have brought any id.
    #[must_use]
    pub fn places(self) -> [Option<(BlockId, u8)>; 2] {
        let bits = self.0.as_u128();
        let ordinal = bits & ORDINAL;
        let member =
            (1..128).contains(&ordinal).then(|| (BlockId(Uuid::from_u128(bits & !ORDINAL)), ordinal as u8));
        [Some((BlockId(self.0), 0)), member]
    }
}

impl ClaimId {
    /// A new random id.
    pub fn new(random: &dyn Random) -> Self {
        Self(random_v4(random))
    }
}

impl Incarnation {
    /// A new random id.
    pub fn new(random: &dyn Random) -> Self {
        Self(random_v4(random))
    }

    /// What it is towards one of several queues, by the name that the drone has for that one. They may lie in one
    /// store, which must not take what it holds of one for what it forgot of the other.
    #[must_use]
    pub fn towards(self, queue: &str) -> Self {
        Self(hashed(self.0, queue.as_bytes()))
    }
}

fn random_v4(random: &dyn Random) -> Uuid {
    let (mut bytes, more) = ([0; 16], random.bytes());
    bytes[..10].copy_from_slice(&more);
    bytes[10..].copy_from_slice(&random.bytes()[..6]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SystemClock, SystemRandom};

    #[test]
    fn a_task_id_leads_to_its_block() {
        let block = BlockId::new(&SystemClock, &SystemRandom);
        assert_eq!(block.0.get_version_num(), 7);
        assert_eq!(block.task(0).places(), [Some((block, 0)), None]);
        assert_eq!(block.task(127).places()[1], Some((block, 127)));
        let own: TaskId = "00000000-0000-4000-8000-00000000ffff".parse().unwrap();
        assert_eq!(own.places(), [Some((BlockId(own.0), 0)), None]);
        assert_eq!(BlockId(own.0).task(0), own);
    }

    #[test]
    fn derived_ids_are_the_same_each_time_and_differ_by_step() {
        let parent = BlockId::new(&SystemClock, &SystemRandom).task(3);
        assert_eq!(BlockId::derived(parent, 0), BlockId::derived(parent, 0));
        assert_ne!(BlockId::derived(parent, 0), BlockId::derived(parent, 1));
        assert_eq!(BlockId::derived(parent, 9).0.as_u128() & ORDINAL, 0);
    }
}
