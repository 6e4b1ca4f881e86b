//! How members leave: for good, with all that follows from it, or back to waiting.

use rusqlite::params;
use skep_queue::{Block, Cause, ClaimId, Failure, Mask, Payloads, Rejection, admin::State, outcome};

use crate::{
    error::Error,
    key,
    lane::QueueRow,
    mutant::mutant,
    part::{Counters, Part},
    row, submit,
    turn::{BlockRow, Turn},
};

/// How members end, and who says so.
pub(crate) struct End<'e> {
    pub(crate) state: State,
    /// What it was charged, this ending included.
    pub(crate) counters: Counters,
    /// The settle that did it; none when the queue or an operator did.
    pub(crate) settled: Option<(ClaimId, u8)>,
    pub(crate) worker: Option<String>,
    /// Goes into the postback; the history has it already.
    pub(crate) error: Option<&'e str>,
    /// By ordinal.
    pub(crate) results: Option<&'e Payloads>,
}

const FINISH: &str = "insert into finished (block, lane, members, state, run_at, finished_at, expires_at, \
     settled, settled_as, attempts, losses, interruptions, fence, worker, results) \
     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
const EVENT: &str = "insert into history (block, members, at, cause, attempts, worker, error) \
     values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const IN_USE: &str = "select 1 where exists (select 1 from parts where block = ?1) \
     or exists (select 1 from finished where block = ?1)";

impl Turn<'_> {
    /// Ends members of a part. Their postbacks may find no room: then the caller must undo
    /// (see [`Turn::attempt`]) what else this did.
    pub(crate) fn end(
        &mut self,
        block: &BlockRow,
        part: &mut Part,
        members: Mask,
        end: &End<'_>,
    ) -> Result<Result<(), Rejection>, Error> {
        self.leave(block, part, members, end)?;
        self.post_back(block, members, end)
    }

    /// Ends members of a part, without the postback.
    pub(crate) fn leave(
        &mut self,
        block: &BlockRow,
        part: &mut Part,
        members: Mask,
        end: &End<'_>,
    ) -> Result<(), Error> {
        let lane = self.lanes.by_id(self.db, part.lane)?;
        let queue = self.lanes.queue_of(lane).clone();
        part.remove(self, members)?;
        if !(mutant!(DepthKeptAtDiscard) && end.state == State::Discarded) {
            self.lanes.count(lane, -(members.len() as i64));
        }
        key::free(self, &queue.name, block)?;
        if queue.retention.is_zero() && !mutant!(RetentionIgnored) {
            self.forget_unused(block.id)
        } else {
            self.keep(part, members, &queue, end)?;
            if mutant!(BodyDroppedEarly) { self.forget_unused(block.id) } else { Ok(()) }
        }
    }

    fn keep(&self, part: &Part, members: Mask, queue: &QueueRow, end: &End<'_>) -> Result<(), Error> {
        let settled = end.settled.or(part.settled);
        let expires_at = self.now + queue.retention;
        self.run(
            FINISH,
            params![
                part.block,
                part.lane,
                members.to_bytes(),
                code(end.state),
                part.run_at,
                self.now.micros(),
                expires_at.micros(),
                settled.as_ref().map(|(claim, _)| &claim.as_bytes()[..]),
                settled.map(|(_, tag)| tag),
                end.counters.attempts,
                end.counters.losses,
                end.counters.interruptions,
                part.fence,
                end.worker,
                end.results.map(|results| &results.as_bytes()[..]),
            ],
        )?;
        Ok(())
    }

    /// Drops a block that neither a waiting nor a kept task needs any more.
    pub(crate) fn forget_unused(&self, block: i64) -> Result<(), Error> {
        let in_use = if mutant!(BodyDroppedEarly) { "select 1 from parts where block = ?1" } else { IN_USE };
        if row::any(self.db, in_use, [block])? {
            return Ok(());
        }
        row::run(self.db, "delete from bodies where block = ?1", [block])?;
        row::run(self.db, "delete from history where block = ?1", [block])?;
        row::run(self.db, "delete from blocks where id = ?1", [block])?;
        Ok(())
    }

    /// Records that something went wrong.
    pub(crate) fn event(
        &self,
        block: i64,
        members: Mask,
        attempts: u16,
        worker: Option<&str>,
        failure: &Failure,
    ) -> Result<(), Error> {
        let (cause, error) = (failure.cause.as_str(), failure.error.as_str());
        let event = params![block, members.to_bytes(), self.now.micros(), cause, attempts, worker, error];
        row::run(self.db, EVENT, event)?;
        Ok(())
    }

    /// Ends members that wait, by somebody's word.
    pub(crate) fn stop(
        &mut self,
        block: &BlockRow,
        part: &mut Part,
        members: Mask,
        state: State,
        why: &str,
    ) -> Result<Result<(), Rejection>, Error> {
        let failure = Failure::new(Cause::Cancelled, why);
        self.event(block.id, members, part.counters.attempts, None, &failure)?;
        let (counters, error) = (part.counters, Some(failure.error.as_str()));
        let end = End { state, counters, settled: None, worker: None, error, results: None };
        self.end(block, part, members, &end)
    }

    /// Submits the outcomes of members that ended to the type that wants them.
    pub(crate) fn post_back(
        &mut self,
        block: &BlockRow,
        members: Mask,
        end: &End<'_>,
    ) -> Result<Result<(), Rejection>, Error> {
        let Some(to) = &block.options.postback else { return Ok(Ok(())) };
        if mutant!(PostbackOfSettlesOnly) && end.settled.is_none() {
            return Ok(Ok(()));
        }
        let lane = self.lanes.by_id(self.db, block.lane)?;
        let (queue, task_type) =
            (self.lanes.queue_of(lane).name.clone(), self.lanes.at(lane).task_type.clone());
        let posts = members.iter().map(|ordinal| {
            let result = end.results.map(|results| results.get(ordinal)).filter(|result| !result.is_empty());
            let (task, from) = (block.block.task(ordinal), (&queue, &task_type));
            outcome::postback(task, from, to, end.state, result.as_deref(), end.error)
        });
        submit::bear(self, &posts.collect::<Vec<Block>>())
    }
}

/// States as `parts.state` and `finished.state` have them.
const STORED: [State; 6] = [
    State::Available,
    State::Scheduled,
    State::Claimed,
    State::Completed,
    State::Discarded,
    State::Cancelled,
];

/// As stored.
pub(crate) fn code(state: State) -> u8 {
    STORED.iter().position(|stored| *stored == state).unwrap_or(0) as u8
}

/// From what was stored.
pub(crate) fn state(code: u8) -> State {
    STORED.get(usize::from(code)).copied().unwrap_or(State::Discarded)
}
