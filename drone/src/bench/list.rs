//! A queue that costs next to nothing: a list in memory. What a drone spends on it, it spends itself.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use skep_queue::{
    Admin, Beat, Block, Claimed, Error, Incarnation, Orders, Pump, Queue, QueueName, Result, Settled,
    Settlement, Submission, Submitted, TaskId, TaskType, Timestamp,
    admin::{Act, Acted, DroneView, Filter, QueueView, Setting, TaskDetail, TaskView},
};

/// How long a drone that waits for work is left alone.
const NOTHING: Duration = Duration::from_secs(1);

/// Blocks that nobody has had yet. It takes whatever it is told, and knows no operators.
#[derive(Default)]
pub(super) struct List(Mutex<VecDeque<Block>>);

impl List {
    fn blocks(&self) -> MutexGuard<'_, VecDeque<Block>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Queue for List {
    async fn submit(&self, submission: Submission) -> Result<Vec<Submitted>> {
        let answers = vec![Submitted::Accepted; submission.blocks.len()];
        self.blocks().extend(submission.blocks);
        Ok(answers)
    }

    async fn pump(&self, pump: Pump) -> Result<Vec<Claimed>> {
        let mut room = pump.demands.iter().map(|demand| demand.room).sum::<usize>();
        let (mut blocks, mut claims) = (self.blocks(), Vec::new());
        while blocks.front().is_some_and(|block| block.payloads.len() <= room) {
            let Some(block) = blocks.pop_front() else { break };
            room -= block.payloads.len();
            claims.push(Claimed {
                claim: pump.claim,
                block: block.id,
                live: block.mask(),
                queue: block.queue,
                task_type: block.task_type,
                priority: block.priority,
                attempts: 0,
                losses: 0,
                interruptions: 0,
                fence: 1,
                suspect: 0,
                options: block.options,
                created_at: Timestamp::default(),
                payloads: block.payloads,
            });
        }
        Ok(claims)
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        let all = |settlement: Settlement| {
            let members = settlement.endings.iter().map(|ending| ending.members);
            Settled {
                accepted: members.fold(Default::default(), |all, some| all | some),
                ..Settled::default()
            }
        };
        Ok(settlements.into_iter().map(all).collect())
    }

    async fn beat(&self, _: Beat) -> Result<Orders> {
        Ok(Orders::default())
    }

    async fn arrival(&self, _: &[TaskType]) {
        tokio::time::sleep(NOTHING).await;
    }
}

fn nobody<T>() -> Result<T> {
    Err(Error::Refused("a list in memory has no operators".to_owned()))
}

#[async_trait]
impl Admin for List {
    /// Nothing waits anywhere, once the list is empty.
    async fn queues(&self) -> Result<Vec<QueueView>> {
        if self.blocks().is_empty() { Ok(Vec::new()) } else { nobody() }
    }

    async fn find(&self, _: Filter) -> Result<Vec<TaskView>> {
        nobody()
    }

    async fn task(&self, _: TaskId) -> Result<Option<TaskDetail>> {
        nobody()
    }

    async fn act(&self, _: Act, _: Vec<TaskId>) -> Result<Vec<Acted>> {
        nobody()
    }

    async fn set(&self, _: QueueName, _: Option<TaskType>, _: Setting) -> Result<()> {
        Ok(())
    }

    async fn drones(&self) -> Result<Vec<DroneView>> {
        nobody()
    }

    async fn drain(&self, _: Incarnation) -> Result<bool> {
        nobody()
    }

    async fn rescue(&self, _: Incarnation) -> Result<bool> {
        nobody()
    }
}
