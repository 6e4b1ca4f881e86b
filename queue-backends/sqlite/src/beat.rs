//! Who lives, and what becomes of what the others held.

use rusqlite::params;
use skep_queue::{
    Beat, Cause, ClaimId, Failure, Incarnation, Mask, Orders, Outcome, Pulse, Rejection, TaskId, Watch,
    admin::State, block::OnLost, outcome::MAX_LOSSES,
};
use std::time::Duration;

use crate::{
    ending::End,
    error::Error,
    lane::micros,
    mutant::{self, mutant},
    part::{AVAILABLE, Part, part_columns},
    row,
    settle::{BY_AN_OPERATOR, conclude},
    turn::{BlockRow, Turn},
};

const RENEW: &str = "insert into drones (incarnation, queue, number, beat_at, ttl, facts, drain) \
     values (?1, ?2, ?3, ?4, ?5, ?6, 0) on conflict (incarnation) do update set queue = ?2, \
     number = ?3, beat_at = ?4, ttl = ?5, facts = ?6";
const CURRENT: &str = "select 1 from parts where state = 2 and claim = ?1";
const ADOPT: &str = "insert into claims (claim, drone, at) values (?1, ?2, ?3) \
     on conflict (claim) do update set drone = ?2";
/// The claims of a drone that have something. Hops from claim to claim in the index: what it costs depends
/// neither on how much they hold, nor on how many are over.
const ALIVE: &str = "with recursive alive(claim) as (\
     select min(claim) from parts where state = 2 union all \
     select (select min(p.claim) from parts p where p.state = 2 and p.claim > alive.claim) from alive \
     where alive.claim is not null) \
     select c.claim from alive join claims c on c.claim = alive.claim where c.drone = ?1";
const OF_CLAIM: &str = concat!(
    "select ",
    part_columns!(),
    " from parts p where p.state = 2 and p.claim = ?1 order by p.block, p.id"
);
const TO_CANCEL: &str = "select b.block, p.live from parts p join claims c on c.claim = p.claim \
     join blocks b on b.id = p.block where p.cancel = 1 and c.drone = ?1 order by p.claim, b.block";
const DRAIN: &str = "select drain from drones where incarnation = ?1";
const PULSES: &str = "select incarnation, number, ttl from drones";
const KNOWN: &str = "select 1 from drones where incarnation = ?1";
const FORGET: &str = "delete from drones where incarnation = ?1";

/// Renews a lease, or forgets a drone; rescues; answers the orders.
pub(crate) fn beat(
    turn: &mut Turn<'_>,
    beat: &Beat,
    watch: &mut Watch,
    elapsed: Duration,
) -> Result<Orders, Error> {
    turn.promote()?;
    if !beat.leaving {
        renew(turn, beat)?;
    }
    if mutant!(RescueBeforeAdoption) {
        look(turn, watch, elapsed)?;
    }
    let lost = adopt(turn, beat)?;
    if beat.leaving {
        give_back(turn, beat.drone)?;
    }
    look(turn, watch, elapsed)?;
    if beat.leaving { Ok(Orders { lost, ..Orders::default() }) } else { orders(turn, beat, lost) }
}

/// Looks at every drone, and rescues what the silent ones held.
fn look(turn: &mut Turn<'_>, watch: &mut Watch, elapsed: Duration) -> Result<(), Error> {
    let pulses = row::all(turn.db, PULSES, [], |row| {
        let drone = row::id(row, 0, Incarnation::from_bytes)?;
        Ok(Pulse { drone, number: row::count(row, 1)?, ttl: Duration::from_micros(row::count(row, 2)?) })
    })?;
    let mut silent = watch.look(elapsed, &pulses);
    if mutant!(NoOutageRule) {
        let by_wall_clock = row::all(turn.db, mutant::SILENT, [turn.now.micros()], |row| {
            row::id(row, 0, Incarnation::from_bytes)
        })?;
        silent = pulses.into_iter().filter(|pulse| by_wall_clock.contains(&pulse.drone)).collect();
    }
    for pulse in silent {
        rescue(turn, pulse.drone)?;
    }
    Ok(())
}

fn renew(turn: &Turn<'_>, beat: &Beat) -> Result<(), Error> {
    let facts = serde_json::to_string(&beat.facts).map_err(|e| Error::Refused(format!("facts: {e}")))?;
    let (drone, queue, mut number) = (&beat.drone.as_bytes()[..], beat.queue.as_str(), turn.next_beat()?);
    if mutant!(BeatsFromOne) {
        number = row::first(turn.db, mutant::BEATS, [drone], |row| Ok(row.get(0)?))?.unwrap_or(1);
    }
    row::run(turn.db, RENEW, params![drone, queue, number, turn.now.micros(), micros(beat.ttl), facts])?;
    if mutant!(DrainForgotten) {
        row::run(turn.db, "update drones set drain = 0", [])?;
    }
    Ok(())
}

/// Makes the listed claims this incarnation's; answers those that are not current.
fn adopt(turn: &Turn<'_>, beat: &Beat) -> Result<Vec<ClaimId>, Error> {
    let mut lost = Vec::new();
    for held in &beat.held {
        let (claim, drone) = (&held.as_bytes()[..], &beat.drone.as_bytes()[..]);
        if !row::any(turn.db, CURRENT, [claim])? {
            lost.push(*held);
        } else if !mutant!(AdoptionIgnored) {
            row::run(turn.db, ADOPT, params![claim, drone, turn.now.micros()])?;
        }
    }
    Ok(lost)
}

fn alive(turn: &Turn<'_>, drone: Incarnation) -> Result<Vec<ClaimId>, Error> {
    row::all(turn.db, ALIVE, [&drone.as_bytes()[..]], |row| row::id(row, 0, ClaimId::from_bytes))
}

fn orders(turn: &mut Turn<'_>, beat: &Beat, lost: Vec<ClaimId>) -> Result<Orders, Error> {
    let drone = [&beat.drone.as_bytes()[..]];
    let mut phantoms = alive(turn, beat.drone)?;
    phantoms.retain(|claim| !beat.held.contains(claim) && !mutant!(PhantomsHidden));
    let asked = row::all(turn.db, TO_CANCEL, drone, |row| {
        let block = row::id(row, 0, skep_queue::BlockId::from_bytes)?;
        Ok(row::mask(row, 1)?.iter().map(|ordinal| block.task(ordinal)).collect::<Vec<TaskId>>())
    })?;
    if mutant!(CancelOnce) {
        row::run(turn.db, "update parts set cancel = 0 where cancel = 1", [])?;
    }
    let mut paused = Vec::new();
    for task_type in &beat.facts.types {
        let lane = turn.lanes.lane(turn.db, &beat.queue, task_type)?;
        if turn.lanes.at(lane).paused || turn.lanes.queue_of(lane).paused {
            paused.push(task_type.clone());
        }
    }
    let drain = row::first(turn.db, DRAIN, drone, |row| Ok(row.get(0)?))?.unwrap_or(false);
    Ok(Orders { lost, phantoms, cancel: asked.into_iter().flatten().collect(), paused, drain })
}

/// A drone goes. What the queue still has for it never started.
fn give_back(turn: &mut Turn<'_>, drone: Incarnation) -> Result<(), Error> {
    each_member(turn, drone, |turn, block, part, members, claim| {
        conclude(turn, block, std::slice::from_mut(part), claim, members, &Outcome::Release)
    })
}

/// An operator takes a drone for gone; false when there is none.
pub(crate) fn take_for_gone(turn: &mut Turn<'_>, drone: Incarnation) -> Result<bool, Error> {
    if !row::any(turn.db, KNOWN, [&drone.as_bytes()[..]])? {
        return Ok(false);
    }
    turn.ring = true;
    if mutant!(RescueReleases) {
        give_back(turn, drone)?
    } else {
        rescue(turn, drone)?
    }
    Ok(true)
}

/// A drone is gone: its tasks become available again, or end.
fn rescue(turn: &mut Turn<'_>, drone: Incarnation) -> Result<(), Error> {
    each_member(turn, drone, lose)
}

/// Does `with` for all that a drone holds, and forgets it. Where a postback finds no room that part stays, and
/// the drone with it, until the next look.
fn each_member(
    turn: &mut Turn<'_>,
    drone: Incarnation,
    with: impl Fn(&mut Turn<'_>, &BlockRow, &mut Part, Mask, ClaimId) -> Result<Result<(), Rejection>, Error>,
) -> Result<(), Error> {
    for claim in alive(turn, drone)? {
        for mut part in row::all(turn.db, OF_CLAIM, [&claim.as_bytes()[..]], Part::read)? {
            let block = turn.block_of(part.block)?;
            if block.options.postback.is_none() {
                let members = part.live;
                let _ = with(turn, &block, &mut part, members, claim)?;
                continue;
            }
            for ordinal in part.live.iter() {
                let before = part.clone();
                let done = turn.attempt(|turn| with(turn, &block, &mut part, Mask::one(ordinal), claim))?;
                if done.is_err() {
                    part = before;
                }
            }
        }
    }
    if alive(turn, drone)?.is_empty() {
        row::run(turn.db, FORGET, [&drone.as_bytes()[..]])?;
    }
    Ok(())
}

fn reached(losses: u16) -> bool {
    losses >= MAX_LOSSES && !mutant!(LossesUnlimited)
}

fn lose(
    turn: &mut Turn<'_>,
    block: &BlockRow,
    part: &mut Part,
    members: Mask,
    claim: ClaimId,
) -> Result<Result<(), Rejection>, Error> {
    let (worker, now) = (turn.worker(claim)?, turn.now.micros());
    let mut counters = part.counters;
    counters.losses = counters.losses.saturating_add(1);
    let mut failure = Failure::new(Cause::Lost, "its drone is gone");
    turn.event(block.id, members, counters.attempts, worker.as_deref(), &failure)?;
    let state = if part.cancel && !mutant!(CancelLostAtRescue) {
        failure = Failure::new(Cause::Cancelled, BY_AN_OPERATOR);
        turn.event(block.id, members, counters.attempts, worker.as_deref(), &failure)?;
        State::Cancelled
    } else if block.options.on_lost == OnLost::Fail || reached(counters.losses) {
        State::Discarded
    } else {
        // The claim stays with it: late, but unclaimed, wins.
        part.split(turn.db, members, |part| {
            (part.state, part.counters) = (AVAILABLE, counters);
            part.claim = part.claim.filter(|_| !mutant!(LateLoses));
            part.run_at = if mutant!(RescueTakesThePlace) { now } else { part.run_at };
        })?;
        turn.ring = true;
        return Ok(Ok(()));
    };
    let error = Some(failure.error.as_str());
    turn.end(block, part, members, &End { state, counters, settled: None, worker, error, results: None })
}
