//! Claiming: what a drone asks for, and what it gets.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    BlockId, ClaimId, Incarnation, Mask, Options, Payloads, Priority, QueueName, TaskId, TaskType, Timestamp,
};

/// A drone's demand, under one claim id for all its types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pump {
    /// Who asks.
    pub drone: Incarnation,
    /// Random, made by the drone. Asked again with the same one, the same tasks come back.
    pub claim: ClaimId,
    /// From which queue.
    pub queue: QueueName,
    /// How many of which type.
    #[serde(default)]
    pub demands: Vec<Demand>,
}

/// Room for a number of tasks of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// The type.
    pub task_type: TaskType,
    /// Most tasks to hand out; never exceeded.
    pub room: usize,
}

/// Members of one block, claimed together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The claim that fences every settle.
    pub claim: ClaimId,
    /// Their block.
    pub block: BlockId,
    /// Which members.
    pub live: Mask,
    /// Where they waited.
    pub queue: QueueName,
    /// What routes them.
    pub task_type: TaskType,
    /// Lower is sooner: as it counted when it was claimed, which in a queue that promotes may be sooner than the
    /// priority that is shown.
    pub priority: Priority,
    /// Runs charged so far.
    pub attempts: u16,
    /// Claims that vanished with their drone.
    pub losses: u16,
    /// Runs cut short by a drain.
    pub interruptions: u16,
    /// Rises with every claim of the task; for downstream use.
    pub fence: u32,
    /// 0, or 1 + the number of times the task brought a drone down while it ran alone: run it alone.
    pub suspect: u8,
    /// What few tasks set.
    #[serde(default)]
    pub options: Arc<Options>,
    /// When the block was accepted.
    pub created_at: Timestamp,
    /// The payloads of `live`, under their ordinals; other ordinals may be empty.
    pub payloads: Payloads,
}

impl Claimed {
    /// The ids of the members, in order.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.live.iter().map(|ordinal| self.block.task(ordinal))
    }
}
