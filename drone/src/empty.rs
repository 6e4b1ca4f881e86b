//! When nothing is left to do.

use std::{sync::Arc, time::Duration};

use skep_queue::{Backend, QueueName, TaskType};

use crate::{drone::Life, local::Local};

/// How often `until_empty` looks.
const EMPTY: Duration = Duration::from_millis(50);

/// Returns when no task of these types waits anywhere, and nothing is held here; never, unless asked to.
pub(crate) async fn until_empty(
    life: Life,
    queues: Vec<(String, QueueName, Arc<dyn Backend>)>,
    types: Vec<TaskType>,
    local: Local,
) {
    if !life.until_empty {
        return std::future::pending().await;
    }
    loop {
        if local.state().is_empty() && all_empty(&queues, &types).await && local.state().is_empty() {
            return;
        }
        tokio::time::sleep(EMPTY).await;
    }
}

async fn all_empty(queues: &[(String, QueueName, Arc<dyn Backend>)], types: &[TaskType]) -> bool {
    for (label, name, backend) in queues {
        let depth = match backend.queues().await {
            Ok(views) => views
                .iter()
                .filter(|view| view.name == *name)
                .flat_map(|view| &view.types)
                .filter(|view| types.contains(&view.name))
                .map(|view| view.depth)
                .sum(),
            Err(error) => {
                tracing::warn!(queue = label, %error, "cannot tell whether the queue is empty");
                1
            }
        };
        if depth > 0 {
            return false;
        }
    }
    true
}
