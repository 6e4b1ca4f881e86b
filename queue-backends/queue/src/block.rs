//! Blocks: up to 128 tasks with the same queue, type, priority, due time and options, stored and moved
//! as one. A single task is a block of one, so there is one code path, not two.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{BlockId, Clock, Mask, Payloads, QueueName, Random, TaskType, Timestamp};

/// Most members of a block.
pub const MAX_BLOCK: usize = 128;
/// Most payload bytes of a block, unless it is of one task.
pub const MAX_BLOCK_BYTES: usize = 64 * 1024;
/// Most bytes of one payload, unless a queue says otherwise.
pub const DEFAULT_MAX_PAYLOAD: usize = 256 * 1024;
/// What no configuration lifts `max_payload` above.
pub const CEILING_MAX_PAYLOAD: usize = 16 * 1024 * 1024;
/// Runs charged to a task before it is discarded, unless the task or its type says otherwise.
pub const DEFAULT_MAX_ATTEMPTS: u16 = 25;

/// A block on its way into a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Made by the submitter; the members' ids follow from it.
    pub id: BlockId,
    /// Where the members wait.
    pub queue: QueueName,
    /// What routes them to a worker.
    pub task_type: TaskType,
    /// Lower is sooner.
    pub priority: Priority,
    /// When they may start.
    pub due: Due,
    /// What few tasks set.
    pub options: Arc<Options>,
    /// One payload a member.
    pub payloads: Payloads,
}

/// Lower is sooner: 1 `max`, 2 `high`, 3 `normal` (the default), 4 `low`, 5 `min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(u8);

/// When a task may start. A delay counts from the backend's clock, so no clocks are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// At once.
    #[default]
    Now,
    /// After a delay.
    In(Duration),
    /// At a moment; one that has passed means at once.
    At(Timestamp),
}

/// What few tasks set. Absent values cost no storage.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Runs charged before the task is discarded; the task type's own limit when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u16>,
    /// At most one task of the queue that is not yet terminal bears a key; a block with one is of one task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_key: Option<String>,
    /// What to do when the key is taken.
    #[serde(skip_serializing_if = "is_default")]
    pub on_conflict: OnConflict,
    /// The task type that receives the outcome as a new task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postback: Option<TaskType>,
    /// What the payload bytes are.
    #[serde(skip_serializing_if = "is_default")]
    pub content: Content,
    /// What a rescue does with the task.
    #[serde(skip_serializing_if = "is_default")]
    pub on_lost: OnLost,
    /// Handed to the worker as it is: trace context and the like.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, String>,
}

/// What a submit does whose unique key is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// Answer a conflict.
    #[default]
    Reject,
    /// Answer the task that has the key, and store nothing.
    Skip,
    /// Cancel the task that has the key, unless it is claimed: then answer a conflict.
    Replace,
}

/// What payload bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// JSON text.
    #[default]
    Json,
    /// Anything.
    Bytes,
}

/// What a rescue does with a task whose drone is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// Make it available again, three times by default.
    #[default]
    Retry,
    /// Discard it as `lost`: for work that must not be repeated.
    Fail,
}

// === impl Block ===

impl Block {
    /// A block of one task for queue `default`, due now, with a new id.
    pub fn one(
        task_type: TaskType,
        payload: impl AsRef<[u8]>,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Self {
        Self {
            id: BlockId::new(clock, random),
            queue: QueueName::default(),
            task_type,
            priority: Priority::default(),
            due: Due::Now,
            options: Arc::default(),
            payloads: Payloads::new(&[payload]),
        }
    }

    /// All members.
    #[must_use]
    pub fn mask(&self) -> Mask {
        Mask::first(self.payloads.len())
    }
}

/// Packs payloads into as few blocks as the limits allow, in order, each a copy of `like` with an id of
/// its own.
pub fn pack<P: AsRef<[u8]>>(like: &Block, payloads: &[P], mut id: impl FnMut() -> BlockId) -> Vec<Block> {
    let most = if like.options.unique_key.is_some() { 1 } else { MAX_BLOCK };
    let (mut blocks, mut start, mut bytes) = (Vec::new(), 0, 0);
    let mut cut = |from: usize, to: usize| {
        blocks.push(Block { id: id(), payloads: Payloads::new(&payloads[from..to]), ..like.clone() });
    };
    for (i, payload) in payloads.iter().enumerate() {
        bytes += payload.as_ref().len();
        if i > start && (i - start == most || bytes > MAX_BLOCK_BYTES) {
            cut(start, i);
            (start, bytes) = (i, payload.as_ref().len());
        }
    }
    if start < payloads.len() {
        cut(start, payloads.len());
    }
    blocks
}

// === impl Priority ===

const PRIORITIES: [&str; 5] = ["max", "high", "normal", "low", "min"];

/// A priority that is none; the message lists what there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a priority: use 1 to 5, or max, high, normal, low, min")]
pub struct PriorityError(String);

impl Priority {
    /// As a number, 1 to 5.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// As what it counts after so long in line, in a queue that promotes after `every`.
    #[must_use]
    pub fn after(self, waited: Duration, every: Option<Duration>) -> Self {
        let sooner = every.map_or(0, |every| waited.as_micros() / every.as_micros().max(1)).min(4) as u8;
        Self(self.0.saturating_sub(sooner).max(1))
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(3)
    }
}

impl TryFrom<u8> for Priority {
    type Error = PriorityError;
    fn try_from(number: u8) -> Result<Self, PriorityError> {
        if (1..=5).contains(&number) { Ok(Self(number)) } else { Err(PriorityError(number.to_string())) }
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> u8 {
        priority.0
    }
}

impl FromStr for Priority {
    type Err = PriorityError;
    fn from_str(text: &str) -> Result<Self, PriorityError> {
        let named = PRIORITIES.iter().position(|name| *name == text).map(|i| i as u8 + 1);
        let number = named.or_else(|| text.parse().ok()).ok_or_else(|| PriorityError(text.to_owned()))?;
        Self::try_from(number)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SystemClock, SystemRandom};

    fn like(key: Option<&str>) -> Block {
        let mut block = Block::one("t".parse().unwrap(), "", &SystemClock, &SystemRandom);
        block.options = Arc::new(Options { unique_key: key.map(str::to_owned), ..Options::default() });
        block
    }

    fn ids() -> impl FnMut() -> BlockId {
        || BlockId::new(&SystemClock, &SystemRandom)
    }

    #[test]
    fn packing_keeps_order_and_limits() {
        let many: Vec<String> = (0..300).map(|i| i.to_string()).collect();
        let blocks = pack(&like(None), &many, ids());
        assert_eq!(blocks.iter().map(|b| b.payloads.len()).collect::<Vec<_>>(), [128, 128, 44]);
        assert_eq!(blocks[2].payloads.get(43), "299");
        let big = [vec![0u8; 40_000], vec![0; 40_000], vec![0; 400_000], vec![0; 10]];
        assert_eq!(pack(&like(None), &big, ids()).len(), 4);
        assert_eq!(pack(&like(Some("k")), &["a", "b"], ids()).len(), 2);
        assert!(pack(&like(None), &[] as &[&str], ids()).is_empty());
    }

    #[test]
    fn priorities_have_numbers_and_names() {
        assert_eq!("high".parse::<Priority>().unwrap().number(), 2);
        assert_eq!("5".parse::<Priority>().unwrap().number(), 5);
        assert!("0".parse::<Priority>().unwrap_err().to_string().contains("1 to 5"));
        assert!("urgent".parse::<Priority>().is_err());
    }
}
