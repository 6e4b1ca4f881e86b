//! What a line says: ids and counts, never a payload, a result or an error text.

use serde_json::{Map, Value, json};
use skep_queue::{
    BlockId, ClaimId, Incarnation, Mask, Outcome, QueueName, Settled, Settlement, Submission, Submitted,
    TaskId, TaskType,
    admin::{Act, Acted, Setting},
};

type Line = Map<String, Value>;

/// A submit, without what the backend makes of it.
pub(crate) struct Submit(Vec<(BlockId, QueueName, TaskType, usize)>);

/// A settle, without what the backend makes of it.
pub(crate) struct Settle(Vec<(ClaimId, BlockId, Vec<Ended>)>);

/// How, and which members.
type Ended = (&'static str, Mask);

fn line(op: &str, what: &str, items: impl Iterator<Item = Value>) -> Line {
    Line::from_iter([("op".into(), op.into()), (what.into(), items.collect())])
}

impl Submit {
    /// Taken down before the submission is given away.
    pub(crate) fn before(submission: &Submission) -> Self {
        let blocks = submission.blocks.iter();
        Self(blocks.map(|b| (b.id, b.queue.clone(), b.task_type.clone(), b.payloads.len())).collect())
    }

    pub(crate) fn after(&self, answers: &[Submitted]) -> Line {
        let blocks = self.0.iter().zip(answers).map(|((id, queue, task_type, tasks), answer)| {
            let (answer, accepted) = match answer {
                Submitted::Accepted => ("accepted", *tasks),
                Submitted::Partly { accepted, .. } => ("partly", *accepted),
                Submitted::Existing => ("existing", 0),
                Submitted::Skipped { .. } => ("skipped", 0),
                Submitted::Conflict { .. } => ("conflict", 0),
                Submitted::Rejected(rejection) => (rejection.reason.as_str(), 0),
            };
            json!({ "block": id, "queue": queue, "type": task_type, "tasks": tasks, "answer": answer,
                "accepted": accepted })
        });
        line("submit", "blocks", blocks)
    }
}

impl Settle {
    /// Taken down before the settlements are given away.
    pub(crate) fn before(settlements: &[Settlement]) -> Self {
        let endings = |settlement: &Settlement| {
            settlement.endings.iter().map(|ending| (verb(&ending.outcome), ending.members)).collect()
        };
        Self(settlements.iter().map(|s| (s.claim, s.block, endings(s))).collect())
    }

    pub(crate) fn after(&self, answers: &[Settled]) -> Line {
        let settled = self.0.iter().zip(answers).map(|((claim, block, endings), answer)| {
            let endings: Line =
                endings.iter().map(|(verb, members)| ((*verb).to_owned(), members.len().into())).collect();
            json!({ "claim": claim, "block": block, "endings": endings, "accepted": answer.accepted.len(),
                "already": answer.already.len(), "stale": answer.stale.len(), "gone": answer.gone.len(),
                "refused": answer.refused.len() })
        });
        line("settle", "settled", settled)
    }
}

pub(crate) fn act(act: Act, ids: &[TaskId], acted: &[Acted]) -> Line {
    let op = match act {
        Act::Cancel => "cancel",
        Act::Retry => "retry",
        Act::Discard => "discard",
    };
    let tasks = ids.iter().zip(acted).map(|(id, acted)| {
        let answer = match acted {
            Acted::Done => "done",
            Acted::Requested => "requested",
            Acted::Unchanged(state) => state.as_str(),
            Acted::NotFound => "not_found",
            Acted::Rejected(rejection) => rejection.reason.as_str(),
        };
        json!({ "task": id, "answer": answer })
    });
    line(op, "tasks", tasks)
}

pub(crate) fn set(queue: &QueueName, task_type: Option<&TaskType>, setting: Setting) -> Line {
    let setting = format!("{setting:?}");
    line("set", "settings", [json!({ "queue": queue, "type": task_type, "setting": setting })].into_iter())
}

pub(crate) fn drone(op: &str, drone: Incarnation, found: bool) -> Line {
    line(op, "drones", [json!({ "drone": drone, "found": found })].into_iter())
}

const fn verb(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Complete { .. } => "complete",
        Outcome::Retry { .. } => "retry",
        Outcome::Discard { .. } => "discard",
        Outcome::Cancel { .. } => "cancel",
        Outcome::Snooze { .. } => "snooze",
        Outcome::Release => "release",
        Outcome::Interrupt => "interrupt",
    }
}
