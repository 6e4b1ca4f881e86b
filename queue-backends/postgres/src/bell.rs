//! Waking up: a doorbell where one can be heard, and the poll.

use skep_queue::TaskType;

use crate::queue::PgQueue;

impl PgQueue {
    pub(crate) async fn wait(&self, _: &[TaskType]) {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
