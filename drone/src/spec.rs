//! What the drone knows of each task type it serves: the sum of its workers' settings.

use std::{collections::HashMap, time::Duration};

use skep_queue::TaskType;

use crate::policy::Policy;

/// The settings of one task type on this drone.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Retries and limits.
    pub policy: Policy,
    /// How long a run may take.
    pub timeout: Option<Duration>,
    /// Most tasks held, buffered and running: the bound of the pump.
    pub bound: usize,
    /// Whether a task runs inside the drone's own process, and so may kill it.
    pub in_process: bool,
}

/// Every type the drone serves.
#[derive(Debug, Clone, Default)]
pub struct Specs(pub HashMap<TaskType, Spec>);

impl Specs {
    /// The settings of a type, if it is served.
    #[must_use]
    pub fn get(&self, task_type: &TaskType) -> Option<&Spec> {
        self.0.get(task_type)
    }

    /// The types, in no order.
    #[must_use]
    pub fn types(&self) -> Vec<TaskType> {
        self.0.keys().cloned().collect()
    }
}
