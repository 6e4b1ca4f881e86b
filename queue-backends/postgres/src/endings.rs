//! Endings on their way into the database: what is plainly done, apart from what needs a look.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use skep_queue::{Block, Due, Ending, Failure, Mask, Outcome, Payloads, Settlement};
use sqlx::{Arguments, error::BoxDynError, postgres::PgArguments};
use uuid::Uuid;

use crate::{error::Error, options, submit, wire};

/// No delay leads further than can be stored: 100,000 years.
const LONGEST: Duration = Duration::from_secs(100_000 * 365 * 86_400);
static DONE: Outcome = Outcome::done();

/// Members of one settlement that end alike.
pub(crate) struct Item<'s> {
    /// The settlement, by its place in the call.
    pub(crate) of: usize,
    pub(crate) claim: Uuid,
    pub(crate) block: Uuid,
    pub(crate) members: Mask,
    outcome: &'s Outcome,
    /// Packed by ordinal.
    results: Option<Payloads>,
}

/// Completions that nothing follows from, one item a settlement; and all others, in order. A block that comes
/// twice, and a member that does, is settled in order.
pub(crate) fn sorted(settlements: &[Settlement]) -> (Vec<Item<'_>>, Vec<Item<'_>>) {
    let mut times: HashMap<Uuid, usize> = HashMap::with_capacity(settlements.len());
    for settlement in settlements {
        *times.entry(settlement.block.0).or_default() += 1;
    }
    let (mut done, mut others) = (Vec::with_capacity(settlements.len()), Vec::new());
    for (of, settlement) in settlements.iter().enumerate() {
        let at_once = times.get(&settlement.block.0) == Some(&1) && !overlap(&settlement.endings);
        let plain = |ending: &&Ending| at_once && is_plain(&ending.outcome);
        let all = settlement.endings.iter().filter(plain).fold(Mask::EMPTY, |all, e| all | e.members);
        if !all.is_empty() {
            let results = results(settlement.endings.iter().filter(plain));
            let (claim, block) = (settlement.claim.0, settlement.block.0);
            done.push(Item { of, claim, block, members: all, outcome: &DONE, results });
        }
        others.extend(
            settlement.endings.iter().filter(|e| !plain(e)).map(|e| item(of, settlement, e, e.members)),
        );
    }
    others.retain(|item| !item.members.is_empty());
    (done, others)
}

/// What is left of what looked plainly done.
pub(crate) fn rest<'s>(settlements: &'s [Settlement], left: &[(usize, Mask)]) -> Vec<Item<'s>> {
    let of = |(of, left): &(usize, Mask)| {
        let (of, left, settlement) = (*of, *left, &settlements[*of]);
        let plain = settlement.endings.iter().filter(|ending| is_plain(&ending.outcome));
        plain.map(move |ending| item(of, settlement, ending, ending.members & left))
    };
    left.iter().flat_map(of).filter(|item| !item.members.is_empty()).collect()
}

/// A settlement of these members alone.
pub(crate) fn only(settlement: &Settlement, members: Mask) -> Settlement {
    let only =
        |ending: &Ending| Ending { members: ending.members & members, outcome: ending.outcome.clone() };
    let endings = settlement.endings.iter().map(only).filter(|ending| !ending.members.is_empty()).collect();
    Settlement { endings, ..*settlement }
}

fn item<'s>(of: usize, settlement: &Settlement, ending: &'s Ending, members: Mask) -> Item<'s> {
    let results = results(std::iter::once(ending));
    let (claim, block) = (settlement.claim.0, settlement.block.0);
    Item { of, claim, block, members, outcome: &ending.outcome, results }
}

fn is_plain(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Complete { submit, .. } if submit.is_empty())
}

fn overlap(endings: &[Ending]) -> bool {
    let all = endings.iter().fold(Mask::EMPTY, |all, ending| all | ending.members);
    endings.iter().map(|ending| ending.members.len()).sum::<usize>() > all.len()
}

fn results<'e>(endings: impl Iterator<Item = &'e Ending>) -> Option<Payloads> {
    let mut by_ordinal: Vec<Bytes> = Vec::new();
    for ending in endings {
        let Outcome::Complete { result: Some(result), .. } = &ending.outcome else { continue };
        for ordinal in ending.members.iter().map(usize::from) {
            by_ordinal.resize(by_ordinal.len().max(ordinal + 1), Bytes::new());
            by_ordinal[ordinal] = result.clone();
        }
    }
    (!by_ordinal.is_empty()).then(|| Payloads::new(&by_ordinal))
}

/// The arrays of `skep.settle`, and whether it need not wait for the disk.
pub(crate) fn arguments(done: &[Item<'_>], others: &[Item<'_>], lazy: bool) -> Result<PgArguments, Error> {
    let mut arguments = PgArguments::default();
    let mut all = || {
        where_they_are(&mut arguments, done)?;
        arguments.add(column(done, |item| item.results.as_ref().map(|results| &results.as_bytes()[..])))?;
        where_they_are(&mut arguments, others)?;
        arguments.add(column(others, |item| i16::from(item.outcome.tag())))?;
        arguments.add(column(others, |item| item.results.as_ref().map(|results| &results.as_bytes()[..])))?;
        arguments.add(column(others, |item| after(item.outcome)))?;
        arguments.add(column(others, |item| item.outcome.failure().map(failure)))?;
        arguments.add(column(others, |item| submits(item.outcome)))?;
        arguments.add(lazy)
    };
    all().map_err(|error: BoxDynError| Error::Refused(error.to_string()))?;
    Ok(arguments)
}

fn where_they_are(arguments: &mut PgArguments, items: &[Item<'_>]) -> Result<(), BoxDynError> {
    arguments.add(column(items, |item| item.claim))?;
    arguments.add(column(items, |item| item.block))?;
    arguments.add(column(items, |item| wire::members(item.members)))
}

fn column<'i, 's, T>(items: &'i [Item<'s>], value: impl Fn(&'i Item<'s>) -> T) -> Vec<T> {
    items.iter().map(value).collect()
}

/// In microseconds.
fn after(outcome: &Outcome) -> i64 {
    match outcome {
        Outcome::Retry { after, .. } | Outcome::Snooze { after } => (*after).min(LONGEST).as_micros() as i64,
        _ => 0,
    }
}

fn failure(failure: &Failure) -> String {
    json!({ "cause": failure.cause.as_str(), "error": failure.error, "suspect": failure.suspect }).to_string()
}

fn submits(outcome: &Outcome) -> Option<String> {
    let Outcome::Complete { submit, .. } = outcome else { return None };
    (!submit.is_empty()).then(|| Value::from(submit.iter().map(born).collect::<Vec<_>>()).to_string())
}

/// A block as `skep.bear` takes it.
fn born(block: &Block) -> Value {
    let flaw = submit::flaw(block);
    let stored = options::stored(&block.options).ok().flatten();
    let options: Option<Value> = stored.and_then(|json| serde_json::from_str(&json).ok());
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    let bytes = block.payloads.as_bytes().iter();
    let body: String = bytes.flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    json!({
        "id": block.id, "queue": block.queue, "task_type": block.task_type, "priority": block.priority,
        "due": match (block.due, submit::due(block.due).1) {
            (Due::Now, _) => Value::Null,
            (Due::In(_), micros) => json!({ "in": micros }),
            (Due::At(_), micros) => json!({ "at": micros }),
        },
        "options": options, "n": block.payloads.len(), "body": body, "flaw": flaw,
    })
}
