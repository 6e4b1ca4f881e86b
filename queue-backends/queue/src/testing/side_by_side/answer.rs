//! What is asked, and the part of the answer that the contract fixes.

use bytes::Bytes;

use crate::{
    Backend, Beat, ClaimId, Error, Incarnation, Mask, Orders, Pump, QueueName, Reason, Rejection, Settled,
    Settlement, Submission, Submitted, TaskId, TaskType,
    admin::{Act, Acted, Setting, State},
    testing::Handed,
};

#[derive(Debug, Clone)]
pub(super) enum Call {
    Submit(Submission),
    Pump(Pump),
    Settle(Vec<Settlement>),
    Beat(Beat),
    Act(Act, TaskId),
    Set(QueueName, Option<TaskType>, Setting),
    Rescue(Incarnation),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Submitted(Vec<Block>),
    Handed(Vec<Handed>),
    Settled(Vec<[Mask; 5]>, Vec<Option<Reason>>),
    Orders(Orders),
    Acted(Vec<Did>),
    Rescued(bool),
    Done,
    Failed(Error),
}

/// A [`Submitted`], without what several blocks of a call leave open.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    Accepted,
    Existing,
    Partly(usize),
    Skipped(TaskId),
    Conflict,
    Rejected(Reason, Option<(u64, u64)>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Did {
    Done,
    Requested,
    Unchanged(State),
    NotFound,
    Rejected(Reason),
}

pub(super) async fn ask(backend: &dyn Backend, call: &Call) -> Answer {
    answer(backend, call).await.unwrap_or_else(Answer::Failed)
}

async fn answer(backend: &dyn Backend, call: &Call) -> Result<Answer, Error> {
    Ok(match call {
        Call::Submit(submission) => {
            let alone = submission.blocks.len() == 1;
            let answers = backend.submit(submission.clone()).await?;
            Answer::Submitted(answers.into_iter().map(|a| submitted(a, alone)).collect())
        }
        Call::Pump(pump) => {
            let mut tasks = Handed::flatten(&backend.pump(pump.clone()).await?);
            tasks.iter_mut().for_each(|task| task.payload = said(&task.task_type, &task.payload));
            Answer::Handed(tasks)
        }
        Call::Settle(settlements) => {
            let settled = backend.settle(settlements.clone()).await?;
            let masks = |s: &Settled| [s.accepted, s.already, s.stale, s.gone, s.refused];
            let why = |s: &Settled| s.rejection.as_ref().map(|rejection| rejection.reason);
            Answer::Settled(settled.iter().map(masks).collect(), settled.iter().map(why).collect())
        }
        Call::Beat(beat) => {
            let mut orders = backend.beat(beat.clone()).await?;
            orders.paused.retain(|t| beat.facts.types.contains(t));
            orders.lost.sort_unstable();
            orders.phantoms.sort_unstable();
            orders.cancel.sort_unstable();
            orders.paused.sort_unstable();
            // A drone that leaves is past orders.
            Answer::Orders(if beat.leaving { Orders::default() } else { orders })
        }
        Call::Act(act, id) => {
            Answer::Acted(backend.act(*act, vec![*id]).await?.into_iter().map(did).collect())
        }
        Call::Set(queue, task_type, setting) => {
            backend.set(queue.clone(), task_type.clone(), *setting).await?;
            Answer::Done
        }
        Call::Rescue(drone) => Answer::Rescued(backend.rescue(*drone).await?),
    })
}

fn submitted(answer: Submitted, alone: bool) -> Block {
    match answer {
        Submitted::Accepted => Block::Accepted,
        Submitted::Existing => Block::Existing,
        Submitted::Partly { accepted, .. } => Block::Partly(accepted),
        Submitted::Skipped { holder } => Block::Skipped(holder),
        Submitted::Conflict { .. } => Block::Conflict,
        Submitted::Rejected(Rejection { reason, depth, limit, .. }) => {
            let counted = alone && matches!(reason, Reason::QueueFull | Reason::TypeFull);
            Block::Rejected(reason, counted.then_some((depth, limit)))
        }
    }
}

fn did(acted: Acted) -> Did {
    match acted {
        Acted::Done => Did::Done,
        Acted::Requested => Did::Requested,
        Acted::Unchanged(state) => Did::Unchanged(state),
        Acted::NotFound => Did::NotFound,
        Acted::Rejected(rejection) => Did::Rejected(rejection.reason),
    }
}

/// A payload; of a postback without the words of its error, which are each backend's own.
pub(super) fn said(task_type: &TaskType, payload: &Bytes) -> Bytes {
    if task_type.as_str() != "post" {
        return payload.clone();
    }
    let mut said: serde_json::Value = serde_json::from_slice(payload).expect("a postback is JSON");
    said["error"] = serde_json::json!(!said["error"].is_null());
    said.to_string().into()
}

impl Answer {
    pub(super) fn handed(&self) -> &[Handed] {
        if let Self::Handed(tasks) = self { tasks } else { &[] }
    }

    pub(super) fn phantoms(&self) -> &[ClaimId] {
        if let Self::Orders(orders) = self { &orders.phantoms } else { &[] }
    }
}
