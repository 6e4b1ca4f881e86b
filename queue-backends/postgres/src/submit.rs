//! Submitting: blocks become arrays.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use skep_queue::{
    Block, Due, Reason, Rejection, Submission, Submitted, TaskId,
    block::{Content, MAX_BLOCK},
};
use sqlx::{Arguments, Row, postgres::PgArguments, postgres::PgRow};
use uuid::Uuid;

use crate::{error::Error, options, queue::PgQueue};

const SUBMIT: &str = "select outcome, accepted, holder, rejection \
     from skep.submit_blocks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

/// A rejection as the functions answer it.
#[derive(Deserialize)]
struct Answered {
    reason: Reason,
    depth: u64,
    limit: u64,
    /// In seconds.
    retry_after: Option<u64>,
    detail: String,
}

impl PgQueue {
    pub(crate) async fn submit_blocks(&self, submission: Submission) -> Result<Vec<Submitted>, Error> {
        if submission.blocks.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.store.call(SUBMIT, arguments(&submission)?).await?;
        if rows.len() != submission.blocks.len() {
            return Err(Error::Corrupt(format!("{} answers for a submit", rows.len())));
        }
        rows.iter().map(submitted).collect()
    }
}

/// The arrays of a submit, a value a block.
fn arguments(submission: &Submission) -> Result<PgArguments, Error> {
    let blocks = &submission.blocks;
    let flaws: Vec<Option<&str>> = blocks.iter().map(flaw).collect();
    let options =
        blocks.iter().map(|block| options::stored(&block.options)).collect::<Result<Vec<_>, _>>()?;
    let (kinds, micros): (Vec<i16>, Vec<i64>) = blocks.iter().map(|block| due(block.due)).unzip();
    let mut arguments = PgArguments::default();
    let all = || {
        arguments.add(submission.partial)?;
        arguments.add(blocks.iter().map(|block| block.id.0).collect::<Vec<_>>())?;
        arguments.add(blocks.iter().map(|block| block.queue.as_str()).collect::<Vec<_>>())?;
        arguments.add(blocks.iter().map(|block| block.task_type.as_str()).collect::<Vec<_>>())?;
        arguments.add(blocks.iter().map(|block| i16::from(block.priority.number())).collect::<Vec<_>>())?;
        arguments.add(kinds)?;
        arguments.add(micros)?;
        arguments.add(options)?;
        arguments.add(blocks.iter().map(members).collect::<Vec<_>>())?;
        arguments.add(blocks.iter().map(|block| &block.payloads.as_bytes()[..]).collect::<Vec<_>>())?;
        arguments.add(flaws)
    };
    all().map_err(|error| Error::Refused(error.to_string()))?;
    Ok(arguments)
}

fn members(block: &Block) -> i16 {
    i16::try_from(block.payloads.len()).unwrap_or(i16::MAX)
}

/// What the server does not look into: payloads that are not JSON.
pub(crate) fn flaw(block: &Block) -> Option<&'static str> {
    let json = |payload: bytes::Bytes| serde_json::from_slice::<&RawValue>(&payload).is_ok();
    let most = block.payloads.len().min(MAX_BLOCK) as u8;
    let content = block.options.content;
    let formed = content != Content::Json || (0..most).all(|ordinal| json(block.payloads.get(ordinal)));
    (!formed).then_some("the payload is not JSON")
}

/// A kind, and microseconds: see `due_at` in SQL.
pub(crate) fn due(due: Due) -> (i16, i64) {
    match due {
        Due::Now => (0, 0),
        Due::In(delay) => (1, i64::try_from(delay.as_micros()).unwrap_or(i64::MAX)),
        Due::At(moment) => (2, moment.micros()),
    }
}

fn submitted(row: &PgRow) -> Result<Submitted, Error> {
    let outcome: &str = row.try_get(0)?;
    let accepted = || Ok::<_, Error>(usize::try_from(row.try_get::<i32, _>(1)?).unwrap_or(0));
    let holder = || Ok::<_, Error>(TaskId(row.try_get::<Uuid, _>(2)?));
    let rejection = || rejection(row.try_get(3)?);
    Ok(match outcome {
        "accepted" => Submitted::Accepted,
        "existing" => Submitted::Existing,
        "partly" => Submitted::Partly { accepted: accepted()?, rejection: rejection()? },
        "skipped" => Submitted::Skipped { holder: holder()? },
        "conflict" => Submitted::Conflict { holder: holder()? },
        "rejected" => Submitted::Rejected(rejection()?),
        other => return Err(Error::Corrupt(format!("a submit was answered {other:?}"))),
    })
}

/// Reads a rejection.
pub(crate) fn rejection(json: &str) -> Result<Rejection, Error> {
    let answered: Answered =
        serde_json::from_str(json).map_err(|error| Error::Corrupt(format!("a rejection: {error}")))?;
    let Answered { reason, depth, limit, retry_after, detail } = answered;
    Ok(Rejection { reason, depth, limit, retry_after: retry_after.map(Duration::from_secs), detail })
}
