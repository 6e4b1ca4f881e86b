//! What an operator sees and does.

use super::store::{Key, Store, Task};
use crate::{
    Block, Error, Incarnation, QueueName, Reason, Rejection, Result, TaskId, TaskType,
    admin::{
        Act, Acted, DroneView, Filter, QueueView, Setting, State, TaskDetail, TaskView, TypeView, Waits,
    },
    block::CEILING_MAX_PAYLOAD,
};

impl Store {
    pub(super) fn queues(&self) -> Vec<QueueView> {
        self.queues.keys().map(|name| self.queue(name)).collect()
    }

    fn queue(&self, name: &QueueName) -> QueueView {
        let row = &self.queues[name];
        let count =
            |state| self.tasks.values().filter(|t| t.queue == *name && t.state == state).count() as u64;
        let available = self.tasks.values().filter(|t| t.queue == *name && t.state == State::Available);
        let mut waits = Waits::default();
        available.clone().for_each(|task| waits.add(self.now.since(task.run_at), 1));
        let types = row.types.iter().map(|(task_type, of_type)| TypeView {
            name: task_type.clone(),
            depth: self.depth(name, Some(task_type)),
            capacity: of_type.capacity,
            paused: of_type.paused,
            served: self.drones.values().any(|d| d.queue == *name && d.facts.types.contains(task_type)),
        });
        QueueView {
            name: name.clone(),
            depth: self.depth(name, None),
            capacity: row.capacity,
            scheduled: count(State::Scheduled),
            available: count(State::Available),
            claimed: count(State::Claimed),
            paused: row.paused,
            intake: row.intake,
            retention: row.retention.as_secs(),
            promote_after: row.promote_after,
            waiting_since: available.map(|task| task.run_at).min(),
            waits,
            types: types.collect(),
        }
    }

    pub(super) fn find(&self, filter: &Filter) -> Vec<TaskView> {
        let matches = |task: &Task| {
            (filter.states.is_empty() || filter.states.contains(&task.state))
                && filter.queue.as_ref().is_none_or(|queue| task.queue == *queue)
                && filter.task_type.as_ref().is_none_or(|t| task.task_type == *t)
                && filter.cause.is_none_or(|cause| task.history.last().is_some_and(|e| e.cause == cause))
        };
        let mut found: Vec<(&Key, &Task)> = self.tasks.iter().filter(|(_, task)| matches(task)).collect();
        found.sort_by_key(|(key, task)| std::cmp::Reverse((task.created_at, task.submitted, key.1)));
        found.into_iter().take(filter.limit).map(|(key, task)| self.view(*key, task)).collect()
    }

    pub(super) fn detail(&self, id: TaskId) -> Option<TaskDetail> {
        let key = self.place(id)?;
        let task = &self.tasks[&key];
        Some(TaskDetail {
            view: self.view(key, task),
            payload: task.payload.clone(),
            content: task.options.content,
            history: task.history.clone(),
        })
    }

    fn view(&self, key: Key, task: &Task) -> TaskView {
        let text = task.result.as_ref().and_then(|json| String::from_utf8(json.to_vec()).ok());
        let holder = task.claim.filter(|_| task.state == State::Claimed).and_then(|c| self.worker(c));
        TaskView {
            id: key.0.task(key.1),
            task_type: task.task_type.clone(),
            queue: task.queue.clone(),
            state: task.state,
            priority: task.priority,
            run_at: task.run_at,
            attempts: task.attempts,
            losses: task.losses,
            interruptions: task.interruptions,
            max_attempts: task.options.max_attempts,
            worker: holder.or_else(|| task.worker.clone()),
            error: task.history.last().map(|event| event.error.clone()),
            result: text.and_then(|json| serde_json::value::RawValue::from_string(json).ok()),
            created_at: task.created_at,
            finished_at: task.finished_at,
        }
    }

    pub(super) fn act(&mut self, act: Act, id: TaskId) -> Acted {
        let Some(key) = self.place(id) else { return Acted::NotFound };
        let state = self.tasks[&key].state;
        let done = match (act, state) {
            (Act::Cancel, State::Scheduled | State::Available) => {
                self.step(|s| s.stop_and_post(key, State::Cancelled, "cancelled by an operator"))
            }
            (Act::Discard, State::Scheduled | State::Available) => {
                self.step(|s| s.stop_and_post(key, State::Discarded, "discarded by an operator"))
            }
            (Act::Cancel, State::Claimed) => {
                self.tasks.get_mut(&key).expect("found above").cancel = true;
                return Acted::Requested;
            }
            (Act::Retry, State::Scheduled) => {
                let now = self.now;
                let task = self.tasks.get_mut(&key).expect("found above");
                (task.run_at, task.state, task.ripe) = (now, State::Available, false);
                Ok(())
            }
            (Act::Retry, State::Discarded | State::Cancelled) => self.revive(key),
            _ => return Acted::Unchanged(state),
        };
        done.map_or_else(Acted::Rejected, |()| Acted::Done)
    }

    fn stop_and_post(&mut self, key: Key, ended: State, why: &str) -> Result<(), Rejection> {
        let postback: Option<Block> = self.stop(key, ended, why);
        self.post(postback.as_slice())
    }

    /// Brings a task back from its end: within the capacity, and if nobody took its key.
    fn revive(&mut self, key: Key) -> Result<(), Rejection> {
        let task = &self.tasks[&key];
        if task.options.unique_key.as_ref().is_some_and(|u| self.holder(&task.queue, u).is_some()) {
            return Err(Rejection::full(Reason::KeyFull, 1, 1));
        }
        if let (_, Some(rejection)) = self.room(&task.queue, &task.task_type, 1, false) {
            return Err(rejection);
        }
        let now = self.now;
        let task = self.tasks.get_mut(&key).expect("the caller looked");
        (task.attempts, task.losses, task.interruptions, task.suspect) = (0, 0, 0, 0);
        (task.state, task.run_at, task.ripe) = (State::Available, now, false);
        (task.finished_at, task.result, task.worker) = (None, None, None);
        Ok(())
    }

    pub(super) fn set(&mut self, queue: QueueName, of: Option<TaskType>, setting: Setting) -> Result<()> {
        let row = self.queues.entry(queue).or_default();
        match (of, setting) {
            (None, Setting::Paused(paused)) => row.paused = paused,
            (None, Setting::Capacity(capacity)) => row.capacity = capacity,
            (None, Setting::Intake(intake)) => row.intake = intake,
            (None, Setting::Retention(retention)) => row.retention = retention,
            (None, Setting::MaxPayload(bytes)) => row.max_payload = bytes.min(CEILING_MAX_PAYLOAD),
            (None, Setting::PromoteAfter(time)) => row.promote_after = time.map(Setting::promote_after),
            (Some(t), Setting::Paused(paused)) => row.types.entry(t).or_default().paused = paused,
            (Some(t), Setting::Capacity(capacity)) => row.types.entry(t).or_default().capacity = capacity,
            (Some(t), _) => return Err(Error::Refused(format!("{t} is a type: set this on its queue"))),
        }
        Ok(())
    }

    pub(super) fn drones(&self) -> Vec<DroneView> {
        let view = |(incarnation, row): (&Incarnation, &super::store::DroneRow)| DroneView {
            incarnation: *incarnation,
            queue: row.queue.clone(),
            beat_at: row.beat_at,
            silent: row.beat_at + row.ttl <= self.now,
            draining: row.drain,
            facts: row.facts.clone(),
        };
        self.drones.iter().map(view).collect()
    }

    pub(super) fn drain(&mut self, drone: Incarnation) -> bool {
        self.drones.get_mut(&drone).map(|row| row.drain = true).is_some()
    }
}
