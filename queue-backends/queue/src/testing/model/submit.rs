//! Who is let in. The checks stand in the order in which they are made.

use serde_json::value::RawValue;

use super::{
    Bug,
    store::{Key, Store, Task},
};
use crate::{
    Block, Cause, Content, Due, MAX_BLOCK, QueueName, Reason, Rejection, Submission, Submitted, TaskType,
    admin::{Intake, State},
    block::{MAX_BLOCK_BYTES, OnConflict},
};

/// What holds for a whole call.
#[derive(Default)]
struct Call {
    partial: bool,
    /// Made by a task's own ending, not by a submitter: what the queue takes does not bind it.
    born: bool,
    /// Whether its blocks have no order among themselves, nor with others of the same step.
    unordered: bool,
    /// Queues and types that refused a block of this call: they refuse what follows, so that what is
    /// accepted is a beginning.
    full: Vec<(QueueName, Option<TaskType>, Rejection)>,
}

impl Store {
    pub(super) fn submit(&mut self, submission: &Submission) -> Vec<Submitted> {
        self.take(&submission.blocks, Call { partial: submission.partial, ..Call::default() })
    }

    /// Submits what follows from an ending, or answers why not.
    pub(super) fn bear(&mut self, blocks: &[Block]) -> Result<(), Rejection> {
        let answers = self.take(blocks, Call { born: true, ..Call::default() });
        answers.iter().find_map(refusal).map_or(Ok(()), Err)
    }

    /// Submits the postbacks of an ending, or answers why not.
    pub(super) fn post(&mut self, postbacks: &[Block]) -> Result<(), Rejection> {
        let answers = self.take(postbacks, Call { born: true, unordered: true, ..Call::default() });
        answers.iter().find_map(refusal).map_or(Ok(()), Err)
    }

    fn take(&mut self, blocks: &[Block], mut call: Call) -> Vec<Submitted> {
        let before = self.clone();
        let mut answers = Vec::new();
        for (at, block) in blocks.iter().enumerate() {
            let answer = self.take_block(block, &mut call).unwrap_or_else(|answer| answer);
            let refusal = refusal(&answer).filter(|_| !call.partial);
            answers.push(answer);
            if let Some(rejection) = refusal {
                if !self.has_bug(Bug::HalfCall) {
                    *self = before;
                }
                let others =
                    |i| if i == at { answers[at].clone() } else { Submitted::Rejected(rejection.clone()) };
                return (0..blocks.len()).map(others).collect();
            }
        }
        answers
    }

    /// One block: an `Err` is an answer too, that nothing was stored.
    fn take_block(&mut self, block: &Block, call: &mut Call) -> Result<Submitted, Submitted> {
        self.check_form(block).map_err(Submitted::Rejected)?;
        self.check_id(block, call.partial)?;
        if !call.born {
            self.check_intake(block).map_err(Submitted::Rejected)?;
        }
        self.step(|store| {
            store.check_key(block)?;
            let (room, rejection) = store.check_room(block, call);
            if room > 0 {
                store.insert(block, room, call.unordered);
            }
            match rejection {
                None => Ok(Submitted::Accepted),
                Some(rejection) if room > 0 => Ok(Submitted::Partly { accepted: room, rejection }),
                Some(rejection) => Err(Submitted::Rejected(rejection)),
            }
        })
    }

    fn check_form(&self, block: &Block) -> Result<(), Rejection> {
        let invalid = |detail: String| Err(Rejection::invalid(Reason::Invalid, detail));
        let payloads: Vec<_> = block.mask().iter().map(|o| block.payloads.get(o)).collect();
        let n = block.payloads.len();
        if !(1..=MAX_BLOCK).contains(&n) {
            return invalid(format!("a block has 1 to {MAX_BLOCK} members, this one {n}"));
        }
        if n > 1 && block.id.0.as_u128() & 0xffff != 0 {
            return invalid("the id of a block of several ends in 16 zero bits".into());
        }
        let bytes: usize = payloads.iter().map(|p| p.len()).sum();
        if n > 1 && bytes > MAX_BLOCK_BYTES {
            return invalid(format!("{bytes} bytes in one block, the limit is {MAX_BLOCK_BYTES}"));
        }
        if let Some(key) = &block.options.unique_key
            && (n > 1 || !(1..=256).contains(&key.len()))
        {
            return invalid("a unique key has 1 to 256 bytes, and a block of one".into());
        }
        let json = |payload: &bytes::Bytes| serde_json::from_slice::<&RawValue>(payload).is_ok();
        if block.options.content == Content::Json && !payloads.iter().all(json) {
            return invalid("the payload is not JSON".into());
        }
        Ok(())
    }

    /// What the queue takes just now: it does not bind what was accepted before.
    fn check_intake(&self, block: &Block) -> Result<(), Rejection> {
        let row = self.queues.get(&block.queue).cloned().unwrap_or_default();
        let mut sizes = block.mask().iter().map(|ordinal| block.payloads.get(ordinal).len());
        if let Some(large) = sizes.find(|size| *size > row.max_payload) {
            let (depth, limit) = (large as u64, row.max_payload as u64);
            return Err(Rejection { depth, limit, ..Rejection::invalid(Reason::PayloadTooLarge, "") });
        }
        let reason = match row.intake {
            Intake::Open => return Ok(()),
            Intake::Paused => Reason::IntakePaused,
            Intake::Draining => Reason::Draining,
        };
        let depth = self.depth(&block.queue, None);
        Err(Rejection::full(reason, depth, depth))
    }

    /// Whether the block is here already. A member that is no longer kept was accepted with the others.
    fn check_id(&self, block: &Block, partial: bool) -> Result<(), Submitted> {
        let kept: Vec<(Key, &Task)> = (0..MAX_BLOCK as u8)
            .filter_map(|o| Some(((block.id, o), self.tasks.get(&(block.id, o))?)))
            .collect();
        let Some((first, task)) = kept.first() else { return Ok(()) };
        let n = block.payloads.len();
        let differs = |(key, task): &&(Key, &Task)| {
            let payload = usize::from(key.1) < n && task.payload != block.payloads.get(key.1);
            task.queue != block.queue || task.task_type != block.task_type || payload
        };
        if let Some((key, _)) = kept.iter().find(differs) {
            return Err(Submitted::Conflict { holder: key.0.task(key.1) });
        }
        match task.size {
            size if size >= n => Err(Submitted::Existing),
            accepted if partial => {
                // The others need a new id, whatever the room now: say what the queue holds.
                let depth = self.depth(&block.queue, None);
                let limit = self.queues[&block.queue].capacity.unwrap_or(depth);
                let rejection = Rejection::full(Reason::QueueFull, depth, limit);
                Err(Submitted::Partly { accepted, rejection })
            }
            _ => Err(Submitted::Conflict { holder: first.0.task(first.1) }),
        }
    }

    fn check_key(&mut self, block: &Block) -> Result<(), Submitted> {
        let Some(unique) = &block.options.unique_key else { return Ok(()) };
        let Some(key) = self.holder(&block.queue, unique) else { return Ok(()) };
        let (holder, state) = (key.0.task(key.1), self.tasks[&key].state);
        match block.options.on_conflict {
            OnConflict::Skip => Err(Submitted::Skipped { holder }),
            OnConflict::Replace if state != State::Claimed => {
                let postback = self.stop(key, State::Cancelled, "replaced by another task");
                self.post(postback.as_slice()).map_err(Submitted::Rejected)
            }
            OnConflict::Reject | OnConflict::Replace => Err(Submitted::Conflict { holder }),
        }
    }

    /// The task that holds a key.
    pub(super) fn holder(&self, queue: &QueueName, unique: &str) -> Option<Key> {
        let freed = |task: &Task| self.has_bug(Bug::KeyFreedAtRetry) && task.attempts > 0;
        let holds = |task: &Task| {
            task.queue == *queue
                && task.options.unique_key.as_deref() == Some(unique)
                && !task.state.is_terminal()
                && !freed(task)
        };
        self.tasks.iter().find(|(_, task)| holds(task)).map(|(key, _)| *key)
    }

    /// Ends a task that waits, by somebody's word.
    pub(super) fn stop(&mut self, key: Key, ended: State, why: &str) -> Option<Block> {
        let now = self.now;
        self.tasks.get_mut(&key).expect("the caller looked").record(now, Cause::Cancelled, why, None);
        self.leave(key, ended, None)
    }

    /// How many members fit, and what refuses the others.
    fn check_room(&self, block: &Block, call: &mut Call) -> (usize, Option<Rejection>) {
        let wanted = block.payloads.len() as u64;
        let of_call = |(queue, task_type, _): &&(QueueName, Option<TaskType>, Rejection)| {
            *queue == block.queue && task_type.as_ref().is_none_or(|t| *t == block.task_type)
        };
        if let Some((_, _, rejection)) = call.full.iter().find(of_call) {
            return (0, Some(rejection.clone()));
        }
        let (fits, rejection) = self.room(&block.queue, &block.task_type, wanted, call.partial);
        if let Some(rejection) = &rejection {
            let of_type = (rejection.reason == Reason::TypeFull).then(|| block.task_type.clone());
            call.full.push((block.queue.clone(), of_type, rejection.clone()));
        }
        (fits as usize, rejection)
    }

    /// How many of `wanted` tasks fit, and the first bound that refuses one: the queue's, then the type's.
    pub(super) fn room(
        &self,
        queue: &QueueName,
        task_type: &TaskType,
        wanted: u64,
        partial: bool,
    ) -> (u64, Option<Rejection>) {
        let row = self.queues.get(queue).cloned().unwrap_or_default();
        let of_type = row.types.get(task_type).and_then(|row| row.capacity);
        let bounds = [
            (Reason::QueueFull, self.depth(queue, None), row.capacity),
            (Reason::TypeFull, self.depth(queue, Some(task_type)), of_type),
        ];
        let more = u64::from(self.has_bug(Bug::CapacityOffByOne));
        let bounds =
            bounds.map(|(reason, depth, limit)| (reason, depth, limit.map_or(u64::MAX, |l| l + more)));
        let least = bounds.iter().map(|(_, depth, limit)| limit.saturating_sub(*depth)).min().unwrap_or(0);
        if least >= wanted {
            return (wanted, None);
        }
        let fits = if partial { least } else { 0 };
        let next = if partial { least + 1 } else { wanted };
        let refuses = bounds.iter().find(|(_, depth, limit)| depth.saturating_add(next) > *limit);
        (fits, refuses.map(|(reason, depth, limit)| Rejection::full(*reason, depth + fits, *limit)))
    }

    fn insert(&mut self, block: &Block, size: usize, unordered: bool) {
        let now = self.now;
        let run_at = match block.due {
            Due::Now => now,
            Due::In(delay) => now + delay,
            Due::At(moment) => moment,
        };
        let state = if run_at <= now { State::Available } else { State::Scheduled };
        self.submitted += u64::from(!unordered);
        let submitted = if unordered { self.begun } else { self.submitted };
        self.queues.entry(block.queue.clone()).or_default().types.entry(block.task_type.clone()).or_default();
        for ordinal in 0..size as u8 {
            let task = Task {
                queue: block.queue.clone(),
                task_type: block.task_type.clone(),
                priority: block.priority,
                options: block.options.clone(),
                payload: block.payloads.get(ordinal),
                size,
                submitted,
                created_at: now,
                state,
                ripe: false,
                run_at,
                claim: None,
                settled: None,
                cancel: false,
                claimed_at: now,
                fence: 0,
                attempts: 0,
                losses: 0,
                interruptions: 0,
                suspect: 0,
                worker: None,
                result: None,
                history: Vec::new(),
                finished_at: None,
            };
            self.tasks.insert((block.id, ordinal), task);
        }
    }
}

/// Why an answer fails its call, if it does.
fn refusal(answer: &Submitted) -> Option<Rejection> {
    match answer {
        Submitted::Rejected(rejection) => Some(rejection.clone()),
        Submitted::Conflict { holder } => {
            let detail = format!("another block of the call conflicts: {holder}");
            Some(Rejection::invalid(Reason::Invalid, detail))
        }
        _ => None,
    }
}
