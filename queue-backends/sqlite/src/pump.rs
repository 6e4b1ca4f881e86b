//! Who gets what.

use std::time::Duration;

use rusqlite::{Row, params};
use skep_queue::{
    ClaimId, Claimed, Demand, DroneFacts, Mask, Payloads, Priority, Pump, Timestamp, beat::DEFAULT_TTL,
};

use crate::{
    error::Error,
    lane::micros,
    mutant::{self, mutant},
    part::{CLAIMED, PART_COLUMNS, Part},
    promoted, row,
    turn::{BLOCK_COLUMNS, BlockRow, Turn, payloads},
};

const KNOWN: &str = "select at from claims where claim = ?1";
/// All of a part that a drone gets, for a condition on `parts p`.
macro_rules! select_held {
    ($where:literal) => {
        concat!(
            "select ",
            $crate::part::part_columns!(),
            ", ",
            $crate::turn::block_columns!(),
            ", o.body from parts p join blocks b on b.id = p.block join bodies o on o.block = p.block where ",
            $where
        )
    };
}
pub(crate) use select_held;

const READY: &str = select_held!("p.state = 0 and p.lane = ?1 order by p.priority, p.run_at, p.block");
const CLAIM: &str = "update parts set state = 2, claim = ?2, fence = fence + ?3 where id = ?1";
const NEW_CLAIM: &str = "insert or ignore into claims (claim, drone, at) values (?1, ?2, ?3)";
const DRONE: &str = "select 1 from drones where incarnation = ?1";
const KNOW_DRONE: &str = "insert into drones (incarnation, queue, number, beat_at, ttl, facts, drain) \
     values (?1, ?2, ?3, ?4, ?5, ?6, 0)";
const HELD: &str = select_held!("p.state = 2 and p.claim = ?1");

/// A part and what else a drone gets of it.
pub(crate) struct Held {
    pub(crate) part: Part,
    block: BlockRow,
    payloads: Payloads,
}

/// Claims what the demands ask for, unless the claim is known; answers what is under it.
pub(crate) fn pump(turn: &mut Turn<'_>, pump: &Pump) -> Result<Vec<Claimed>, Error> {
    turn.promote()?;
    let claim = &pump.claim.as_bytes()[..];
    let known = row::first(turn.db, KNOWN, [claim], |row| Ok(Timestamp::from_micros(row.get(0)?)))?;
    if let Some(at) = known.filter(|_| !mutant!(PumpAgainClaims)) {
        let held = row::all(turn.db, HELD, [claim], Held::read)?;
        return hand_out(turn, pump.claim, at, held);
    }
    let mut held = Vec::new();
    for demand in &pump.demands {
        held.extend(self::claim(turn, pump, demand)?);
    }
    if !held.is_empty() {
        know(turn, pump)?;
    }
    hand_out(turn, pump.claim, turn.now, held)
}

/// Claims for one demand, in the order of the ready index; answers what.
fn claim(turn: &mut Turn<'_>, pump: &Pump, demand: &Demand) -> Result<Vec<Held>, Error> {
    let lane = turn.lanes.lane(turn.db, &pump.queue, &demand.task_type)?;
    let paused = turn.lanes.at(lane).paused || turn.lanes.queue_of(lane).paused;
    if (paused && !mutant!(PausedIgnored)) || demand.room == 0 {
        return Ok(Vec::new());
    }
    let (mut chosen, mut tasks) = (Vec::new(), 0);
    let ready = match () {
        () if mutant!(NoClaimGuard) => mutant::READY_OR_CLAIMED,
        () if mutant!(LastSubmittedFirst) => mutant::NEWEST_FIRST,
        () if mutant!(PriorityReversed) => mutant::LAST_FIRST,
        () => READY,
    };
    let mut choose = |held: Held| {
        tasks += held.part.live.len();
        chosen.push(held);
        tasks < demand.room
    };
    let (id, promote_after) = (turn.lanes.at(lane).id, turn.lanes.queue_of(lane).promote_after);
    match promote_after.filter(|_| !mutant!(NeverPromoted)) {
        Some(every) => promoted::until(turn, id, every, choose)?,
        None => row::until(turn.db, ready, [id], |row| Ok(choose(Held::read(row)?)))?,
    }
    let mut room = demand.room;
    for held in &mut chosen {
        let live = held.part.live;
        let members = if mutant!(RoomByBlocks) { live } else { live.take(room) };
        room = room.saturating_sub(members.len());
        mark(turn, &mut held.part, members, pump.claim)?;
    }
    Ok(chosen)
}

/// Some members become the claim's; `part` is what was claimed then.
fn mark(turn: &Turn<'_>, part: &mut Part, members: Mask, claim: ClaimId) -> Result<(), Error> {
    let raise = u32::from(!mutant!(FenceKept));
    if mutant!(KeyFreedAtClaim) {
        row::run(turn.db, mutant::FREE_KEYS, [part.block])?;
    }
    if members == part.live {
        // What nearly every claim is: shorter than the general case.
        turn.run(CLAIM, params![part.id, &claim.as_bytes()[..], raise])?;
        part.fence += raise;
        return Ok(());
    }
    *part = part.split(turn.db, members, |part| {
        (part.state, part.claim) = (CLAIMED, Some(claim));
        part.fence += if mutant!(FenceKeptAtSplit) { 0 } else { raise };
    })?;
    Ok(())
}

/// Remembers whose the claim is. A drone that pumps before it beats must be found when it is lost.
fn know(turn: &Turn<'_>, pump: &Pump) -> Result<(), Error> {
    let (claim, drone, now) = (&pump.claim.as_bytes()[..], &pump.drone.as_bytes()[..], turn.now.micros());
    row::run(turn.db, NEW_CLAIM, params![claim, drone, now])?;
    if row::any(turn.db, DRONE, [drone])? {
        return Ok(());
    }
    let facts = serde_json::to_string(&DroneFacts::default()).unwrap_or_default();
    let row = params![drone, pump.queue.as_str(), turn.next_beat()?, now, micros(DEFAULT_TTL), facts];
    row::run(turn.db, KNOW_DRONE, row)?;
    Ok(())
}

/// What is under a claim of that moment, in the order of its priorities.
fn hand_out(
    turn: &mut Turn<'_>,
    claim: ClaimId,
    at: Timestamp,
    mut held: Vec<Held>,
) -> Result<Vec<Claimed>, Error> {
    held.sort_by_key(|Held { part, .. }| (part.priority, part.run_at, part.block, part.id));
    let claimed = held.into_iter().map(|held| {
        let lane = turn.lanes.by_id(turn.db, held.part.lane)?;
        let priority = held.counts_as(at, turn.lanes.queue_of(lane).promote_after);
        let Held { part, block, payloads } = held;
        Ok(Claimed {
            claim,
            block: block.block,
            live: part.live,
            queue: turn.lanes.queue_of(lane).name.clone(),
            task_type: turn.lanes.at(lane).task_type.clone(),
            priority,
            attempts: part.counters.attempts,
            losses: part.counters.losses,
            interruptions: part.counters.interruptions,
            fence: part.fence,
            suspect: part.suspect,
            options: block.options,
            created_at: block.created_at,
            payloads: payloads.only(part.live),
        })
    });
    claimed.collect()
}

impl Held {
    /// As what it counts at a moment, in a queue that promotes after `every`.
    pub(crate) fn counts_as(&self, at: Timestamp, every: Option<Duration>) -> Priority {
        self.block.priority.after(at.since(Timestamp::from_micros(self.part.run_at)), every)
    }

    pub(crate) fn read(row: &Row<'_>) -> Result<Self, Error> {
        let (part, block) = (Part::read(row)?, BlockRow::read(row, PART_COLUMNS)?);
        Ok(Self { part, block, payloads: payloads(row, PART_COLUMNS + BLOCK_COLUMNS)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_finds_its_index() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        skep_migrations::SQLITE.iter().for_each(|step| db.execute_batch(step).unwrap());
        let plan = row::plan(&db, READY);
        assert!(plan.starts_with("SEARCH p USING INDEX parts_ready (lane=?)"), "{plan}");
        assert!(!plan.contains("TEMP") && !plan.contains("SCAN"), "{plan}");
        let plan = row::plan(&db, promoted::READY_OF);
        assert!(plan.starts_with("SEARCH p USING INDEX parts_ready (lane=? AND priority=?)"), "{plan}");
        assert!(!plan.contains("TEMP") && !plan.contains("SCAN"), "{plan}");
        let plan = row::plan(&db, crate::turn::WITH_PARTS);
        assert!(plan.contains("parts_block (block=?)") && !plan.contains("TEMP"), "{plan}");
        let plan = row::plan(&db, HELD);
        assert!(plan.starts_with("SEARCH p USING INDEX parts_claimed (claim=?)"), "{plan}");
        assert!(!plan.contains("SCAN"), "{plan}");
        for (sql, index) in [
            (crate::turn::PROMOTE, "parts_due (run_at<?)"),
            (crate::part::OF_BLOCK, "parts_block (block=?)"),
            (crate::sweep::EXPIRED, "finished_expires (expires_at<?)"),
        ] {
            let plan = row::plan(&db, sql);
            assert!(plan.contains(index) && !plan.contains("TEMP"), "{plan}");
        }
    }
}
