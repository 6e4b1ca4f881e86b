//! What an operator does.

use rusqlite::{Row, params};
use skep_queue::{
    ClaimId, Incarnation, Mask, QueueName, Reason, Rejection, TaskType,
    admin::{Act, Acted, Setting, State},
    block::CEILING_MAX_PAYLOAD,
};

use crate::{
    error::Error,
    key,
    lane::micros,
    mutant::mutant,
    part::{AVAILABLE, CLAIMED, Part, SCHEDULED},
    row,
    turn::{BlockRow, Turn},
};

const ENDED: &str = "select id, members, state, settled, settled_as, fence from finished where block = ?1";
const KEEP_REST: &str = "update finished set members = ?2 where id = ?1";
const DRAIN: &str = "update drones set drain = 1 where incarnation = ?1";
const RETAIN: &str = "update finished set expires_at = min(finished_at, ?3 - ?2) + ?2 \
     where lane in (select id from lanes where queue = ?1)";

/// Some of what [`Turn::revive`] needs of a row of `finished`.
struct Ended {
    id: i64,
    members: Mask,
    state: State,
    settled: Option<(ClaimId, u8)>,
    fence: u32,
}

impl Turn<'_> {
    /// Changes one task.
    pub(crate) fn act(&mut self, act: Act, id: skep_queue::TaskId) -> Result<Acted, Error> {
        let Some((block, ordinal)) = self.find(id)? else { return Ok(Acted::NotFound) };
        let member = Mask::one(ordinal);
        if let Some(part) = self.part(block.id, ordinal)? {
            return self.act_on_part(act, &block, part, member);
        }
        let ended = row::all(self.db, ENDED, [block.id], Ended::read)?;
        match ended.into_iter().find(|ended| ended.members.has(ordinal)) {
            None => Ok(Acted::NotFound),
            Some(ended) if act != Act::Retry || ended.state == State::Completed => {
                Ok(Acted::Unchanged(ended.state))
            }
            Some(ended) => {
                let revived = self.attempt(|turn| turn.revive(&block, &ended, member))?;
                Ok(revived.map_or_else(Acted::Rejected, |()| Acted::Done))
            }
        }
    }

    fn act_on_part(
        &mut self,
        act: Act,
        block: &BlockRow,
        mut part: Part,
        member: Mask,
    ) -> Result<Acted, Error> {
        let (state, why) = match (act, part.state) {
            (Act::Cancel, CLAIMED) => {
                part.split(self.db, member, |part| part.cancel = true)?;
                self.ring = true;
                return Ok(Acted::Requested);
            }
            (_, CLAIMED) => return Ok(Acted::Unchanged(State::Claimed)),
            (Act::Retry, SCHEDULED) => {
                let now = self.now.micros();
                part.split(self.db, member, |part| (part.run_at, part.state) = (now, AVAILABLE))?;
                self.ring = true;
                return Ok(Acted::Done);
            }
            (Act::Retry, _) => return Ok(Acted::Unchanged(State::Available)),
            (Act::Cancel, _) => (State::Cancelled, "cancelled by an operator"),
            (Act::Discard, _) => (State::Discarded, "discarded by an operator"),
        };
        let stopped = self.attempt(|turn| turn.stop(block, &mut part, member, state, why))?;
        Ok(stopped.map_or_else(Acted::Rejected, |()| Acted::Done))
    }

    /// Brings a task back from its end: within the capacity, and if nobody took its key. The fence goes on
    /// where it stood.
    fn revive(
        &mut self,
        block: &BlockRow,
        ended: &Ended,
        member: Mask,
    ) -> Result<Result<(), Rejection>, Error> {
        let lane = self.lanes.by_id(self.db, block.lane)?;
        let queue = self.lanes.queue_of(lane).name.clone();
        if let Some(unique) = &block.options.unique_key {
            if mutant!(RevivalIgnoresKey) {
                row::run(
                    self.db,
                    "delete from unique_keys where queue = ?1 and key = ?2",
                    [queue.as_str(), unique],
                )?;
            }
            if key::holder(self, &queue, unique)?.is_some() {
                return Ok(Err(Rejection::full(Reason::KeyFull, 1, 1)));
            }
            key::take(self, &queue, unique, block.id)?;
        }
        if let (_, Some(rejection)) = self.lanes.room(lane, 1, false)
            && !mutant!(RevivalIgnoresCapacity)
        {
            return Ok(Err(rejection));
        }
        let rest = ended.members - member;
        if rest.is_empty() {
            row::run(self.db, "delete from finished where id = ?1", [ended.id])?;
        } else {
            row::run(self.db, KEEP_REST, params![ended.id, rest.to_bytes()])?;
        }
        let (priority, now) = (block.priority.number(), self.now.micros());
        let new = Part::new(block.id, block.lane, priority, now, AVAILABLE, member);
        let fence = if mutant!(FenceResetAtRevival) { 0 } else { ended.fence };
        Part { fence, settled: ended.settled, ..new }.insert(self.db)?;
        self.lanes.count(lane, 1);
        self.ring = true;
        Ok(Ok(()))
    }

    /// Changes a queue, or one of its types.
    pub(crate) fn set(
        &mut self,
        queue: &QueueName,
        of: Option<&TaskType>,
        setting: Setting,
    ) -> Result<(), Error> {
        let Some(task_type) = of else { return self.set_queue(queue, setting) };
        let lane = self.lanes.lane(self.db, queue, task_type)?;
        self.lanes.stored(self.db, lane)?;
        match setting {
            Setting::Paused(paused) => self.lanes.change_lane(lane).paused = paused,
            Setting::Capacity(capacity) => self.lanes.change_lane(lane).capacity = capacity,
            _ => return Err(Error::Refused(format!("{task_type} is a type: set this on its queue"))),
        }
        self.ring = true;
        Ok(())
    }

    fn set_queue(&mut self, queue: &QueueName, setting: Setting) -> Result<(), Error> {
        let at = self.lanes.queue(self.db, queue)?;
        let row = self.lanes.change_queue(at);
        match setting {
            Setting::Paused(paused) => row.paused = paused,
            Setting::Capacity(capacity) => row.capacity = capacity,
            Setting::Intake(intake) => row.intake = intake,
            Setting::PromoteAfter(time) => row.promote_after = time.map(Setting::promote_after),
            Setting::MaxPayload(bytes) => row.max_payload = bytes.min(CEILING_MAX_PAYLOAD),
            Setting::Retention(retention) if mutant!(RetentionAsItWas) => row.retention = retention,
            Setting::Retention(retention) => {
                row.retention = retention;
                // What has ended already is kept as long as the queue says now.
                row::run(self.db, RETAIN, params![queue.as_str(), micros(retention), i64::MAX])?;
            }
        }
        self.ring = true;
        Ok(())
    }

    /// Tells a drone to drain.
    pub(crate) fn drain(&mut self, drone: Incarnation) -> Result<bool, Error> {
        let told = row::run(self.db, DRAIN, [&drone.as_bytes()[..]])? > 0;
        self.ring |= told;
        Ok(told)
    }
}

// === impl Ended ===

impl Ended {
    fn read(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.get(0)?,
            members: row::mask(row, 1)?,
            state: crate::ending::state(row.get(2)?),
            settled: row::maybe_id(row, 3, ClaimId::from_bytes)?.zip(row.get(4)?),
            fence: row.get(5)?,
        })
    }
}
