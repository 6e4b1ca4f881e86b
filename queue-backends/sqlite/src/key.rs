//! Unique keys: at most one task of a queue that is not terminal bears one.

use rusqlite::params;
use skep_queue::{Block, QueueName, Submitted, admin::State, block::OnConflict};

use crate::{
    error::Error,
    part::CLAIMED,
    row,
    turn::{BlockRow, Turn},
};

const HOLDER: &str = "select block from unique_keys where queue = ?1 and key = ?2";
const TAKE: &str = "insert into unique_keys (queue, key, block) values (?1, ?2, ?3)";
const FREE: &str = "delete from unique_keys where queue = ?1 and key = ?2 and block = ?3";

/// Makes way for a unique key, or answers who is in it.
pub(crate) fn make_way(turn: &mut Turn<'_>, block: &Block) -> Result<Option<Submitted>, Error> {
    let Some(key) = &block.options.unique_key else { return Ok(None) };
    let Some(holder) = holder(turn, &block.queue, key)? else { return Ok(None) };
    let holder = turn.block_of(holder)?;
    let task = holder.block.task(0);
    let part = turn.part(holder.id, 0)?.filter(|part| part.state != CLAIMED);
    match (block.options.on_conflict, part) {
        (OnConflict::Skip, _) => Ok(Some(Submitted::Skipped { holder: task })),
        (OnConflict::Replace, Some(mut part)) => {
            let members = part.live;
            let stopped =
                turn.stop(&holder, &mut part, members, State::Cancelled, "replaced by another task")?;
            Ok(stopped.err().map(Submitted::Rejected))
        }
        _ => Ok(Some(Submitted::Conflict { holder: task })),
    }
}

/// The block that holds a unique key.
pub(crate) fn holder(turn: &Turn<'_>, queue: &QueueName, key: &str) -> Result<Option<i64>, Error> {
    row::first(turn.db, HOLDER, [queue.as_str(), key], |row| Ok(row.get(0)?))
}

/// Takes a unique key for a block.
pub(crate) fn take(turn: &Turn<'_>, queue: &QueueName, key: &str, block: i64) -> Result<(), Error> {
    row::run(turn.db, TAKE, params![queue.as_str(), key, block])?;
    Ok(())
}

/// Frees the key of a block, if it has one: its task is terminal.
pub(crate) fn free(turn: &Turn<'_>, queue: &QueueName, block: &BlockRow) -> Result<(), Error> {
    if let Some(key) = &block.options.unique_key {
        row::run(turn.db, FREE, params![queue.as_str(), key, block.id])?;
    }
    Ok(())
}
