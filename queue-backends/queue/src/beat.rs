//! The heartbeat: one row a drone, whatever it holds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ClaimId, Incarnation, QueueName, TaskId, TaskType, Timestamp};

/// How long a drone may be silent before its claims are rescued.
pub const DEFAULT_TTL: Duration = Duration::from_secs(60);
/// How often a drone speaks: a sixth of the lease, so that five beats may be lost.
pub const DEFAULT_BEAT: Duration = Duration::from_secs(10);

/// A drone says that it lives, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Which start of the drone.
    pub drone: Incarnation,
    /// The queue that it pumps.
    pub queue: QueueName,
    /// How long its lease lasts from now.
    pub ttl: Duration,
    /// Every claim it holds or is asking for. A claim belongs to whoever listed it last, which is how an
    /// incarnation takes over what its predecessor left in the file.
    #[serde(default)]
    pub held: Vec<ClaimId>,
    /// What people want to see of it.
    #[serde(default)]
    pub facts: DroneFacts,
    /// It goes, and holds nothing any more: forget it.
    pub leaving: bool,
}

/// What a drone tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DroneFacts {
    /// From its configuration; two drones should not share one.
    pub name: String,
    /// Where it runs.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// Of skep.
    pub version: String,
    /// When this incarnation started, by its own clock.
    pub started_at: Timestamp,
    /// The types that it serves.
    pub types: Vec<TaskType>,
    /// How many tasks it can run at once.
    pub hands: usize,
    /// How many tasks it holds: buffered, running, and not yet reported.
    pub held: usize,
    /// How many tasks run.
    pub running: usize,
    /// Workers that do not start, in words.
    pub degraded: Vec<String>,
}

/// What the queue wants of a drone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Orders {
    /// Listed claims that are no longer this drone's: rescued, or settled by another.
    pub lost: Vec<ClaimId>,
    /// Claims that the queue has for this drone and that it did not list: their reply was lost. Ask again.
    pub phantoms: Vec<ClaimId>,
    /// Running tasks that somebody cancelled. Repeated until they end.
    pub cancel: Vec<TaskId>,
    /// Types of which to start nothing new.
    pub paused: Vec<TaskType>,
    /// Hand back what has not started, finish what runs, and leave.
    pub drain: bool,
}
