//! Who is let in. The checks stand in the order in which they are made.

use rusqlite::params;
use serde_json::value::RawValue;
use skep_queue::{
    Block, Content, Due, MAX_BLOCK, Mask, Payloads, QueueName, Reason, Rejection, Submission, Submitted,
    TaskType, admin::Intake, block::MAX_BLOCK_BYTES,
};

use crate::{
    error::Error,
    key,
    mutant::mutant,
    part::{AVAILABLE, Part, SCHEDULED},
    row,
    turn::{BlockRow, Turn, options_text},
};

/// What holds for a whole call.
pub(crate) struct Call {
    partial: bool,
    /// Made by a task's own ending, not by a submitter: intake and payload limits do not bind it.
    born: bool,
    /// What refused a block of this call refuses what follows, so that what is accepted is a beginning.
    full: Vec<(QueueName, Option<TaskType>, Rejection)>,
}

/// An answer that says why nothing was stored, or the members to store and why not the others.
type Checked<T> = Result<Result<T, Submitted>, Error>;

const NEW_BLOCK: &str = "insert into blocks (block, lane, priority, n, options, created_at) \
     values (?1, ?2, ?3, ?4, ?5, ?6)";
const NEW_BODY: &str = "insert into bodies (block, body) values (?1, ?2)";
const SAME_BODY: &str = "select body = ?2 from bodies where block = ?1";
const KEPT: &str = "select live from parts where block = ?1 union all \
     select members from finished where block = ?1";

/// Whether the payloads are what they say. Needs no database, so a submit does it before its turn.
pub(crate) fn well_formed(block: &Block) -> bool {
    let json = |payload: bytes::Bytes| serde_json::from_slice::<&RawValue>(&payload).is_ok();
    let most = block.payloads.len().min(MAX_BLOCK) as u8;
    block.options.content != Content::Json || (0..most).all(|ordinal| json(block.payloads.get(ordinal)))
}

/// Submits for a submitter.
pub(crate) fn submit(
    turn: &mut Turn<'_>,
    submission: &Submission,
    formed: &[bool],
) -> Result<Vec<Submitted>, Error> {
    let call = Call { partial: submission.partial, born: false, full: Vec::new() };
    take(turn, &submission.blocks, formed, call)
}

/// Submits what follows from an ending, or answers why not.
pub(crate) fn bear(turn: &mut Turn<'_>, blocks: &[Block]) -> Result<Result<(), Rejection>, Error> {
    if blocks.is_empty() {
        return Ok(Ok(()));
    }
    let formed: Vec<bool> = blocks.iter().map(well_formed).collect();
    let answers = take(turn, blocks, &formed, Call { partial: false, born: true, full: Vec::new() })?;
    let refused = answers.iter().find_map(refusal);
    let ignored =
        |rejection: &Rejection| mutant!(ConflictIgnoredInFollowUps) && rejection.reason == Reason::Invalid;
    Ok(refused.filter(|rejection| !ignored(rejection)).map_or(Ok(()), Err))
}

fn take(
    turn: &mut Turn<'_>,
    blocks: &[Block],
    formed: &[bool],
    mut call: Call,
) -> Result<Vec<Submitted>, Error> {
    if call.partial {
        let each = blocks.iter().zip(formed).map(|(block, formed)| place(turn, block, *formed, &mut call));
        return each.collect();
    }
    let whole = turn.attempt(|turn| {
        let mut answers = Vec::with_capacity(blocks.len());
        for (block, formed) in blocks.iter().zip(formed) {
            let answer = place(turn, block, *formed, &mut call)?;
            if let Some(rejection) = refusal(&answer) {
                return Ok(Err((answers.len(), answer, rejection)));
            }
            answers.push(answer);
        }
        Ok(Ok(answers))
    })?;
    Ok(whole.unwrap_or_else(|(at, answer, rejection)| {
        let others = |i| if i == at { answer.clone() } else { Submitted::Rejected(rejection.clone()) };
        (0..blocks.len()).map(others).collect()
    }))
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

/// One block; it changes nothing unless it accepts something.
fn place(turn: &mut Turn<'_>, block: &Block, formed: bool, call: &mut Call) -> Result<Submitted, Error> {
    let lane = turn.lanes.lane(turn.db, &block.queue, &block.task_type)?;
    if let Err(rejection) = check_form(block, formed) {
        return Ok(Submitted::Rejected(rejection));
    }
    if let Some(answer) = check_id(turn, block, lane, call.partial)? {
        return Ok(answer);
    }
    let bound = !call.born || mutant!(IntakeBindsFollowUps);
    if let Some(rejection) = check_intake(turn, block, lane).filter(|_| bound) {
        return Ok(Submitted::Rejected(rejection));
    }
    let stored = if block.options.unique_key.is_some() {
        turn.attempt(|turn| {
            key::make_way(turn, block)?.map_or_else(|| enter(turn, block, lane, call), |no| Ok(Err(no)))
        })?
    } else {
        enter(turn, block, lane, call)?
    };
    Ok(stored.unwrap_or_else(|answer| answer))
}

fn check_form(block: &Block, formed: bool) -> Result<(), Rejection> {
    let invalid = |detail: String| Err(Rejection::invalid(Reason::Invalid, detail));
    let n = block.payloads.len();
    if !(1..=MAX_BLOCK).contains(&n) {
        return invalid(format!("a block has 1 to {MAX_BLOCK} members, this one {n}"));
    }
    if n > 1 && block.id.0.as_u128() & 0xffff != 0 {
        return invalid("the id of a block of several ends in 16 zero bits".into());
    }
    let bytes = block.payloads.as_bytes().len() - 2 - 4 * n;
    if n > 1 && bytes > MAX_BLOCK_BYTES {
        return invalid(format!("{bytes} bytes in one block, the limit is {MAX_BLOCK_BYTES}"));
    }
    let keyed = block.options.unique_key.as_ref().map(String::len);
    if keyed.is_some_and(|length| n > 1 || !(1..=256).contains(&length)) {
        return invalid("a unique key has 1 to 256 bytes, and a block of one".into());
    }
    if formed { Ok(()) } else { invalid("the payload is not JSON".into()) }
}

/// What the queue takes just now: it does not bind what was accepted before.
fn check_intake(turn: &Turn<'_>, block: &Block, lane: usize) -> Option<Rejection> {
    let queue = turn.lanes.queue_of(lane);
    if block.payloads.as_bytes().len() > queue.max_payload {
        let mut sizes = block.mask().iter().map(|ordinal| block.payloads.get(ordinal).len());
        if let Some(large) = sizes.find(|size| *size > queue.max_payload) {
            let (depth, limit) = (large as u64, queue.max_payload as u64);
            return Some(Rejection { depth, limit, ..Rejection::invalid(Reason::PayloadTooLarge, "") });
        }
    }
    let reason = match queue.intake {
        Intake::Open => return None,
        Intake::Paused => Reason::IntakePaused,
        Intake::Draining => Reason::Draining,
    };
    Some(Rejection::full(reason, queue.depth, queue.depth))
}

/// Whether the block is here already. A member that is no longer kept was accepted with the others.
fn check_id(
    turn: &mut Turn<'_>,
    block: &Block,
    lane: usize,
    partial: bool,
) -> Result<Option<Submitted>, Error> {
    let Some(known) = turn.block(block.id)? else { return Ok(None) };
    let n = block.payloads.len();
    let here = known.lane == turn.lanes.at(lane).id || mutant!(SameIdAnyType);
    let same = here && known.n == n && same_body(turn, &known, block)?;
    if same {
        return Ok(Some(Submitted::Existing));
    }
    let kept = row::all(turn.db, KEPT, [known.id], |row| row::mask(row, 0))?;
    let kept = kept.into_iter().fold(Mask::EMPTY, |all, some| all | some);
    let body = turn.body(known.id)?;
    let differs = |o: &u8| !here || (usize::from(*o) < n && body.get(*o) != block.payloads.get(*o));
    if let Some(ordinal) = kept.iter().find(differs) {
        return Ok(Some(Submitted::Conflict { holder: known.block.task(ordinal) }));
    }
    if known.n >= n {
        return Ok(Some(Submitted::Existing));
    }
    if !partial {
        let first = kept.iter().next().unwrap_or(0);
        return Ok(Some(Submitted::Conflict { holder: known.block.task(first) }));
    }
    // The others need a new id, whatever the room now: say what the queue holds.
    let queue = turn.lanes.queue_of(lane);
    let rejection = Rejection::full(Reason::QueueFull, queue.depth, queue.capacity.unwrap_or(queue.depth));
    Ok(Some(Submitted::Partly { accepted: known.n, rejection }))
}

fn same_body(turn: &Turn<'_>, known: &BlockRow, block: &Block) -> Result<bool, Error> {
    let body = params![known.id, &block.payloads.as_bytes()[..]];
    Ok(row::first(turn.db, SAME_BODY, body, |row| Ok(row.get(0)?))?.unwrap_or(false))
}

/// Stores as many members as there is room for.
fn enter(turn: &mut Turn<'_>, block: &Block, lane: usize, call: &mut Call) -> Checked<Submitted> {
    let of_call = |(queue, task_type, _): &&(QueueName, Option<TaskType>, Rejection)| {
        *queue == block.queue && task_type.as_ref().is_none_or(|t| *t == block.task_type)
    };
    if let Some((_, _, rejection)) = call.full.iter().find(of_call).filter(|_| !mutant!(BeginningForgotten)) {
        return Ok(Err(Submitted::Rejected(rejection.clone())));
    }
    let (fits, rejection) = turn.lanes.room(lane, block.payloads.len() as u64, call.partial);
    let fits = fits as usize;
    if fits > 0 {
        store(turn, block, lane, fits)?;
    }
    let Some(rejection) = rejection else { return Ok(Ok(Submitted::Accepted)) };
    let of_type = (rejection.reason == Reason::TypeFull).then(|| block.task_type.clone());
    call.full.push((block.queue.clone(), of_type, rejection.clone()));
    match fits {
        0 => Ok(Err(Submitted::Rejected(rejection))),
        accepted => Ok(Ok(Submitted::Partly { accepted, rejection })),
    }
}

fn store(turn: &mut Turn<'_>, block: &Block, lane: usize, n: usize) -> Result<(), Error> {
    let (id, members) = (turn.lanes.stored(turn.db, lane)?, Mask::first(n - off_by_one(n)));
    let (priority, now) = (block.priority.number(), turn.now);
    let (options, uuid) = (options_text(block)?, &block.id.as_bytes()[..]);
    row::run(turn.db, NEW_BLOCK, params![uuid, id, priority, n as i64, options, now.micros()])?;
    let row = turn.db.last_insert_rowid();
    let accepted: Payloads = first(&block.payloads, n);
    row::run(turn.db, NEW_BODY, params![row, &accepted.as_bytes()[..]])?;
    let run_at = match block.due {
        Due::Now => now,
        Due::In(delay) => now + delay,
        Due::At(moment) => moment,
    };
    let state = if run_at <= now || mutant!(RunAtIgnored) { AVAILABLE } else { SCHEDULED };
    Part::new(row, id, priority, run_at.micros(), state, members).insert(turn.db)?;
    if let Some(key) = &block.options.unique_key {
        key::take(turn, &block.queue, key, row)?;
    }
    turn.lanes.count(lane, n as i64);
    turn.ring = true;
    Ok(())
}

fn off_by_one(n: usize) -> usize {
    usize::from(mutant!(MaskOffByOne) && n == MAX_BLOCK)
}

/// What is refused must leave nothing behind, its payload neither.
fn first(payloads: &Payloads, n: usize) -> Payloads {
    if n == payloads.len() {
        return payloads.clone();
    }
    Payloads::new(&(0..n as u8).map(|ordinal| payloads.get(ordinal)).collect::<Vec<_>>())
}
