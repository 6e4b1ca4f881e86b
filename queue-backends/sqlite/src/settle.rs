//! How tasks end, as their drones tell it.

use bytes::Bytes;
use skep_queue::{
    Cause, ClaimId, Ending, Failure, Mask, Outcome, Payloads, Rejection, Settled, Settlement, Timestamp,
    admin::State, outcome::MAX_INTERRUPTIONS,
};

use crate::{
    ending::End,
    error::Error,
    mutant::{self, mutant},
    part::{AVAILABLE, Counters, Part, SCHEDULED},
    row, submit,
    turn::{BlockRow, Turn},
};

const FINISHED: &str = "select members, settled, settled_as from finished where block = ?1";

/// A block while it is settled.
struct Settling<'s> {
    block: BlockRow,
    parts: Vec<Part>,
    claim: ClaimId,
    settled: Settled,
    /// Completed members that need nothing but a row, which they share: part, member, result.
    done: Vec<(usize, u8, Option<&'s Bytes>)>,
}

/// Settles one block.
pub(crate) fn settle(turn: &mut Turn<'_>, settlement: &Settlement) -> Result<Settled, Error> {
    let Some((block, parts)) = turn.with_parts(settlement.block)? else {
        let all = settlement.endings.iter().fold(Mask::EMPTY, |all, ending| all | ending.members);
        return Ok(Settled { gone: all, ..Settled::default() });
    };
    let (settled, done) = (Settled::default(), Vec::new());
    let mut settling = Settling { block, parts, claim: settlement.claim, settled, done };
    for ending in &settlement.endings {
        settling.ending(turn, ending)?;
    }
    settling.finish(turn)?;
    Ok(settling.settled)
}

// === impl Settling ===

impl<'s> Settling<'s> {
    fn ending(&mut self, turn: &mut Turn<'_>, ending: &'s Ending) -> Result<(), Error> {
        let legal = self.legal(turn, ending)?;
        if legal.is_empty() {
            return Ok(());
        }
        let postback = self.block.options.postback.is_some();
        match &ending.outcome {
            Outcome::Complete { result, submit } if submit.is_empty() && !postback => {
                self.note_done(legal, result.as_ref());
            }
            outcome => {
                let (block, claim, before) = (&self.block, self.claim, self.parts.clone());
                let parts = &mut self.parts;
                let done = turn.attempt(|turn| conclude(turn, block, parts, claim, legal, outcome))?;
                if let Err(rejection) = done {
                    self.parts = before;
                    self.settled.refused |= legal;
                    self.settled.rejection.get_or_insert(rejection);
                    return Ok(());
                }
            }
        }
        self.settled.accepted |= legal;
        Ok(())
    }

    /// Which members this claim may settle; the others are answered.
    fn legal(&mut self, turn: &Turn<'_>, ending: &Ending) -> Result<Mask, Error> {
        let this = (self.claim, ending.outcome.tag());
        let (mut legal, mut rest) = (Mask::EMPTY, ending.members);
        for part in &self.parts {
            let members = part.live & rest;
            rest -= members;
            if may_settle(turn, part, self.claim)? {
                legal |= members;
            } else if part.settled == Some(this) {
                self.settled.already |= members;
            } else {
                self.settled.stale |= members;
            }
        }
        if !rest.is_empty() {
            let finished = row::all(turn.db, FINISHED, [self.block.id], |row| {
                let by = row::maybe_id(row, 1, ClaimId::from_bytes)?.zip(row.get(2)?);
                Ok((row::mask(row, 0)?, by == Some(this)))
            })?;
            for (members, already) in finished {
                let members = members & rest;
                rest -= members;
                let answer = if already { &mut self.settled.already } else { &mut self.settled.stale };
                *answer |= members;
            }
        }
        self.settled.gone |= rest;
        Ok(legal)
    }

    fn note_done(&mut self, members: Mask, result: Option<&'s Bytes>) {
        for (at, part) in self.parts.iter().enumerate() {
            self.done.extend((part.live & members).iter().map(|ordinal| (at, ordinal, result)));
        }
    }

    /// Ends the completed members, with one row a part.
    fn finish(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        for (at, part) in self.parts.iter_mut().enumerate() {
            let done: Vec<_> = self.done.iter().filter(|(of, ..)| *of == at).collect();
            if done.is_empty() {
                continue;
            }
            let members: Mask = done.iter().map(|(_, ordinal, _)| *ordinal).collect();
            let results = done.iter().any(|(.., result)| result.is_some()).then(|| {
                let mut by_ordinal = vec![Bytes::new(); 128];
                for (_, ordinal, result) in done {
                    let at = usize::from(*ordinal) + usize::from(mutant!(ResultsShifted));
                    by_ordinal[at % 128] = result.cloned().unwrap_or_default();
                }
                Payloads::new(&by_ordinal)
            });
            let outcome = Outcome::done();
            let end = End {
                state: State::Completed,
                counters: part.counters,
                settled: Some((self.claim, outcome.tag())),
                worker: turn.worker(self.claim)?,
                error: None,
                results: results.as_ref(),
            };
            turn.leave(&self.block, part, members, &end)?;
        }
        Ok(())
    }
}

/// Only the claim under which it was handed out last.
fn may_settle(turn: &Turn<'_>, part: &Part, claim: ClaimId) -> Result<bool, Error> {
    let reclaimed = mutant!(StaleAfterReclaim)
        && row::any(turn.db, "select 1 from claims where claim = ?1", [&claim.as_bytes()[..]])?;
    Ok(part.claim == Some(claim) || mutant!(SettleById) || reclaimed)
}

/// Ends members alike: they leave, then what follows from them enters.
pub(crate) fn conclude(
    turn: &mut Turn<'_>,
    block: &BlockRow,
    parts: &mut [Part],
    claim: ClaimId,
    members: Mask,
    outcome: &Outcome,
) -> Result<Result<(), Rejection>, Error> {
    let results = result_of(outcome, members);
    let mut ended = Vec::new();
    for part in parts {
        let members = part.live & members;
        if members.is_empty() || !may_settle(turn, part, claim)? {
            continue;
        }
        if let Some(end) = part_ways(turn, block, part, claim, members, outcome, results.as_ref())? {
            ended.push((members, end));
        }
    }
    if let Outcome::Complete { submit, .. } = outcome
        && let Err(rejection) = submit::bear(turn, submit)?
        && !mutant!(FollowUpsOutside)
    {
        return Ok(Err(rejection));
    }
    for (members, end) in ended {
        if let Err(rejection) = turn.post_back(block, members, &end)? {
            return Ok(Err(rejection));
        }
    }
    Ok(Ok(()))
}

/// Members leave their part: for good, then it answers how, or to wait again.
fn part_ways<'e>(
    turn: &mut Turn<'_>,
    block: &BlockRow,
    part: &mut Part,
    claim: ClaimId,
    members: Mask,
    outcome: &'e Outcome,
    results: Option<&'e Payloads>,
) -> Result<Option<End<'e>>, Error> {
    let (worker, counters) = (turn.worker(claim)?, charge(part.counters, outcome));
    let settled = Some((claim, outcome.tag())).filter(|_| !mutant!(SettleForgotten));
    match fate(turn, block, part, members, counters, worker.as_deref(), outcome)? {
        Fate::Ends(state, error) => {
            let end = End { state, counters, settled, worker, error, results };
            turn.leave(block, part, members, &end)?;
            Ok(Some(end))
        }
        Fate::Waits { run_at, state } => {
            if mutant!(KeyFreedAtRetry) {
                row::run(turn.db, mutant::FREE_KEYS, [block.id])?;
            }
            part.split(turn.db, members, |part| {
                (part.state, part.counters, part.settled) = (state, counters, settled);
                part.claim = part.claim.filter(|_| mutant!(ClaimKeptAtRetry));
                part.run_at = run_at.unwrap_or(part.run_at);
                part.suspect = suspect(part.suspect, outcome);
            })?;
            turn.ring = true;
            Ok(None)
        }
    }
}

/// What becomes of members.
enum Fate<'o> {
    Ends(State, Option<&'o str>),
    /// At a moment of its own, or where it stood.
    Waits {
        run_at: Option<i64>,
        state: u8,
    },
}

const CUT_SHORT: &str = "cut short by a drain";
pub(crate) const BY_AN_OPERATOR: &str = "cancelled by an operator";

/// Decides, and writes down what went wrong.
fn fate<'o>(
    turn: &Turn<'_>,
    block: &BlockRow,
    part: &Part,
    members: Mask,
    counters: Counters,
    worker: Option<&str>,
    outcome: &'o Outcome,
) -> Result<Fate<'o>, Error> {
    let event = |failure: &Failure| turn.event(block.id, members, counters.attempts, worker, failure);
    if let Some(failure) = outcome.failure() {
        event(failure)?;
    }
    if let Outcome::Interrupt = outcome {
        event(&Failure::new(Cause::Interrupted, CUT_SHORT))?;
    }
    if let Some(state) = outcome.ends_in() {
        return Ok(Fate::Ends(state, outcome.failure().map(|failure| failure.error.as_str())));
    }
    if part.cancel {
        event(&Failure::new(Cause::Cancelled, BY_AN_OPERATOR))?;
        return Ok(Fate::Ends(State::Cancelled, Some(BY_AN_OPERATOR)));
    }
    let worn_out = counters.interruptions >= MAX_INTERRUPTIONS && !mutant!(InterruptsUnlimited);
    if matches!(outcome, Outcome::Interrupt) && worn_out {
        return Ok(Fate::Ends(State::Discarded, Some(CUT_SHORT)));
    }
    Ok(match outcome {
        Outcome::Retry { after, .. } | Outcome::Snooze { after } => {
            let run_at: Timestamp = turn.now + *after;
            let state = if after.is_zero() { AVAILABLE } else { SCHEDULED };
            Fate::Waits { run_at: Some(run_at.micros()), state }
        }
        _ => Fate::Waits { run_at: None, state: AVAILABLE },
    })
}

fn charge(mut counters: Counters, outcome: &Outcome) -> Counters {
    match outcome {
        Outcome::Retry { .. } if mutant!(RetryForgetsAttempt) => {}
        Outcome::Release if mutant!(ReleaseCounts) => counters.attempts += 1,
        Outcome::Retry { .. } | Outcome::Discard { .. } => {
            counters.attempts = counters.attempts.saturating_add(1);
        }
        Outcome::Interrupt => counters.interruptions = counters.interruptions.saturating_add(1),
        _ => {}
    }
    counters
}

/// Any run clears the suspicion, or renews it.
fn suspect(before: u8, outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Release => before,
        _ if mutant!(SuspectKept) => before.max(1),
        Outcome::Retry { failure, .. } => failure.suspect,
        _ => 0,
    }
}

fn result_of(outcome: &Outcome, members: Mask) -> Option<Payloads> {
    let Outcome::Complete { result: Some(result), .. } = outcome else { return None };
    let last = members.iter().last().unwrap_or(0);
    let by_ordinal = (0..=last).map(|o| if members.has(o) { result.clone() } else { Bytes::new() });
    Some(Payloads::new(&by_ordinal.collect::<Vec<_>>()))
}
