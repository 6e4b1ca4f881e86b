//! Looking at both after a step, and the invariants that hold whatever the model says.

use std::{collections::BTreeMap, time::Duration};

use super::{
    answer::{Answer, Call, said},
    case::Case,
};
use crate::{
    Admin, Cause, Mask, QueueName, TaskId, TaskType, Timestamp,
    admin::{Act, Filter, QueueView, State, TaskView, Waits},
    outcome::{MAX_INTERRUPTIONS, MAX_LOSSES},
};

/// What a task looked like, as far as the contract says how it looks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    queue: QueueName,
    task_type: TaskType,
    state: State,
    priority: u8,
    run_at: Timestamp,
    attempts: u16,
    losses: u16,
    interruptions: u16,
    error: Option<String>,
    result: Option<String>,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
}

/// What a queue looked like; types that hold and forbid nothing are left out.
#[derive(Debug, Clone, PartialEq)]
struct Queue {
    counts: [u64; 4],
    capacity: Option<u64>,
    paused: bool,
    promote_after: Option<Duration>,
    waiting_since: Option<Timestamp>,
    waits: Waits,
    types: BTreeMap<TaskType, (u64, Option<u64>, bool)>,
}

/// The last look at the backend.
#[derive(Debug, Default)]
pub(super) struct Watched {
    tasks: BTreeMap<TaskId, Seen>,
    /// What each bound allows: its capacity, or what was there when it was lowered.
    allowed: BTreeMap<(QueueName, Option<TaskType>), u64>,
}

impl Case {
    /// Compares what both show, and checks the invariants.
    pub(super) async fn look(&mut self) -> Result<(), String> {
        let (theirs, ours) = (tasks(self.backend()).await?, tasks(self.model()).await?);
        if theirs != ours {
            let all = theirs.keys().chain(ours.keys());
            let differs = all.into_iter().find(|id| theirs.get(id) != ours.get(id)).expect("they differ");
            let (theirs, ours) = (theirs.get(differs), ours.get(differs));
            return Err(format!("{differs}\nlooks like {theirs:?}\nin the model {ours:?}"));
        }
        let queues = self.backend().queues().await.map_err(|e| e.to_string())?;
        let model = self.model().queues().await.map_err(|e| e.to_string())?;
        let (theirs, ours) = (queues_seen(&queues), queues_seen(&model));
        if theirs != ours {
            return Err(format!("queues look like {theirs:?}\nin the model {ours:?}"));
        }
        self.watched.check(tasks(self.backend()).await?, &queues)
    }

    /// Payloads and histories, at the end.
    pub(super) async fn look_closely(&self) -> Result<(), String> {
        for id in self.watched.ids() {
            let theirs = self.backend().task(id).await.map_err(|e| e.to_string())?;
            let ours = self.model().task(id).await.map_err(|e| e.to_string())?;
            let (Some(theirs), Some(ours)) = (theirs, ours) else {
                return Err(format!("{id} is listed, not shown"));
            };
            let of_type = &ours.view.task_type;
            if said(of_type, &theirs.payload) != said(of_type, &ours.payload) {
                return Err(format!("{id} has another payload"));
            }
            let told = |detail: &crate::admin::TaskDetail| -> Vec<(Cause, u16)> {
                detail.history.iter().map(|event| (event.cause, event.attempts)).collect()
            };
            let (theirs, ours) = (told(&theirs), told(&ours));
            // How many entries a cancel makes on its way is left open.
            if theirs != ours && !ours.iter().any(|(cause, _)| *cause == Cause::Cancelled) {
                return Err(format!("{id} has the history {theirs:?}\nin the model {ours:?}"));
            }
        }
        Ok(())
    }
}

async fn tasks(admin: &dyn Admin) -> Result<BTreeMap<TaskId, Seen>, String> {
    let filter = Filter { limit: 100_000, ..Filter::default() };
    let found = admin.find(filter).await.map_err(|error| error.to_string())?;
    Ok(found.into_iter().map(|view| (view.id, seen(view))).collect())
}

fn seen(view: TaskView) -> Seen {
    // Whether a loss that ends a task is counted is left open; the words of an error that no drone told too.
    let lost = matches!(view.state, State::Discarded | State::Cancelled);
    Seen {
        queue: view.queue,
        task_type: view.task_type,
        state: view.state,
        priority: view.priority.number(),
        run_at: view.run_at,
        attempts: view.attempts,
        losses: if lost { 0 } else { view.losses },
        interruptions: view.interruptions,
        error: view.error.map(|error| if error.starts_with("told: ") { error } else { "own words".into() }),
        result: view.result.map(|json| json.get().to_owned()),
        created_at: view.created_at,
        finished_at: view.finished_at,
    }
}

fn queues_seen(views: &[QueueView]) -> BTreeMap<QueueName, Queue> {
    let seen = views.iter().map(|view| {
        let of_type = |t: &crate::admin::TypeView| (t.name.clone(), (t.depth, t.capacity, t.paused));
        let types =
            view.types.iter().filter(|t| t.depth > 0 || t.capacity.is_some() || t.paused).map(of_type);
        let counts = [view.depth, view.scheduled, view.available, view.claimed];
        let (capacity, paused) = (view.capacity, view.paused);
        let (promote_after, waiting_since, waits) = (view.promote_after, view.waiting_since, view.waits);
        let types = types.collect();
        (view.name.clone(), Queue { counts, capacity, paused, promote_after, waiting_since, waits, types })
    });
    seen.collect()
}

impl Watched {
    pub(super) fn ids(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.tasks.keys().copied()
    }

    pub(super) fn depth(&self, queue: &str, task_type: Option<&TaskType>) -> u64 {
        let counts = |task: &&Seen| {
            task.queue.as_str() == queue
                && task_type.is_none_or(|t| task.task_type == *t)
                && !task.state.is_terminal()
        };
        self.tasks.values().filter(counts).count() as u64
    }

    /// I6: no settle is accepted of a task that has ended.
    pub(super) fn check_endings(&self, call: &Call, answer: &Answer) -> Result<(), String> {
        let (Call::Settle(settlements), Answer::Settled(masks, _)) = (call, answer) else { return Ok(()) };
        for (settlement, [accepted, ..]) in settlements.iter().zip(masks) {
            let ended = |ordinal: &u8| {
                let before = self.tasks.get(&settlement.block.task(*ordinal));
                before.is_none_or(|task| task.state.is_terminal())
            };
            let wrong: Mask = accepted.iter().filter(ended).collect();
            if !wrong.is_empty() {
                return Err(format!("I6: {call:?} was accepted for {wrong:?}, which had ended"));
            }
        }
        Ok(())
    }

    /// What an operator brought back counts from zero again.
    pub(super) fn forgive(&mut self, call: &Call) {
        if let Call::Act(Act::Retry, id) = call {
            self.tasks.remove(id);
        }
    }

    fn check(&mut self, tasks: BTreeMap<TaskId, Seen>, queues: &[QueueView]) -> Result<(), String> {
        for (id, now) in &tasks {
            let before = self.tasks.get(id).filter(|before| before.created_at == now.created_at);
            let fell =
                before.is_some_and(|b| b.attempts > now.attempts || b.interruptions > now.interruptions);
            if fell || now.losses > MAX_LOSSES || now.interruptions > MAX_INTERRUPTIONS {
                return Err(format!("I9: {id} was {before:?}\nand is {now:?}"));
            }
        }
        self.tasks = tasks;
        for queue in queues {
            self.check_bound(queue, None, queue.depth, queue.capacity)?;
            for of_type in &queue.types {
                self.check_bound(queue, Some(&of_type.name), of_type.depth, of_type.capacity)?;
            }
        }
        Ok(())
    }

    /// I10: the depth is what is there, and within the bound.
    fn check_bound(
        &mut self,
        queue: &QueueView,
        of: Option<&TaskType>,
        depth: u64,
        limit: Option<u64>,
    ) -> Result<(), String> {
        let counted = self.depth(queue.name.as_str(), of);
        if depth != counted {
            return Err(format!("I10: {} {of:?} shows {depth} tasks and holds {counted}", queue.name));
        }
        let bound = (queue.name.clone(), of.cloned());
        let Some(limit) = limit else {
            self.allowed.remove(&bound);
            return Ok(());
        };
        let allowed = self.allowed.get(&bound).copied().unwrap_or(depth).max(limit);
        if depth > allowed {
            return Err(format!("I10: {} {of:?} holds {depth} tasks, allowed are {allowed}", queue.name));
        }
        self.allowed.insert(bound, limit.max(depth));
        Ok(())
    }
}
