//! The spool on file: what changes it on the way of a submission.

use bytes::Bytes;
use skep_queue::{Block, QueueName, TaskType, Timestamp};
use skep_sqlite::{Connection, Error, OptionalExtension, params};

use super::{Bounds, Full, Held, Key, look::bounds};
use crate::seal::{seal, unseal};

/// About the most bytes of one call.
const MOST_BYTES: usize = 1024 * 1024;

/// A submission on its way into the spool.
#[derive(Debug, Clone)]
pub(super) struct NewRow {
    backend: Key,
    partial: bool,
    blocks: Vec<Block>,
    body: Vec<u8>,
    kept_at: Timestamp,
}

/// A submission on its way to its queue.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    pub(crate) partial: bool,
    pub(crate) kept_at: Timestamp,
    /// None when they cannot be read.
    pub(crate) blocks: Option<Vec<Block>>,
}

/// What a queue said of a row.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) seq: i64,
    pub(crate) fate: Fate,
    /// Members that it refused for good, each to a row of its own.
    pub(crate) refused: Vec<(Block, String)>,
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fate {
    /// The queue has it.
    Gone,
    /// It is tried again: as it is, or what is left of it.
    Waits { left: Option<Vec<Block>>, why: String },
    /// Until an operator drops it.
    Refused { why: String },
}

// === impl NewRow ===

impl NewRow {
    pub(super) fn new(
        backend: &Key,
        blocks: &[Block],
        partial: bool,
        kept_at: Timestamp,
    ) -> Result<Self, Error> {
        let (backend, blocks, body) = (backend.clone(), blocks.to_vec(), pack(blocks)?);
        Ok(Self { backend, partial, blocks, body, kept_at })
    }

    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Stores it, once, if there is room.
    fn keep(&self, connection: &Connection, room: &mut Room) -> Result<Held, Error> {
        let Some(first) = self.blocks.first() else { return Ok(Held::Kept) };
        let sql = "select seq from spooled where backend = ?1 and id = ?2";
        let known = connection
            .prepare_cached(sql)?
            .query_row(params![self.backend.as_str(), first.id.as_bytes()], |row| row.get::<_, i64>(0))
            .optional()?;
        if let Some(seq) = known {
            let there = unpack(connection, seq, &self.backend)?;
            let same = there.is_some_and(|there| {
                there.len() == self.blocks.len() && there.iter().zip(&self.blocks).all(|(a, b)| same(a, b))
            });
            return Ok(if same { Held::Kept } else { Held::Conflict { holder: first.id.task(0) } });
        }
        if let Err(full) = room.take(tasks_of(&self.blocks), self.body.len() as u64) {
            return Ok(Held::Full(full));
        }
        self.insert(connection, None)?;
        Ok(Held::Kept)
    }

    fn insert(&self, connection: &Connection, refusal: Option<&str>) -> Result<(), Error> {
        let Some(first) = self.blocks.first() else { return Ok(()) };
        let sql = "insert or ignore into spooled \
                   (backend, id, queue, task_type, partial, tasks, bytes, kept_at, tries, refusal, refused) \
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?9)";
        let new = connection.prepare_cached(sql)?.execute(params![
            self.backend.as_str(),
            first.id.as_bytes(),
            first.queue.as_str(),
            first.task_type.as_str(),
            self.partial,
            tasks_of(&self.blocks).cast_signed(),
            self.body.len() as i64,
            self.kept_at.micros(),
            refusal.is_some(),
            refusal,
        ])?;
        if new > 0 {
            put_body(connection, connection.last_insert_rowid(), &self.backend, self.body.clone())?;
        }
        Ok(())
    }
}

/// Stores submissions, each as far as there is room.
pub(super) fn keep(connection: &Connection, rows: &[NewRow]) -> Result<Vec<Held>, Error> {
    let mut room = Room::of(connection)?;
    rows.iter().map(|row| row.keep(connection, &mut room)).collect()
}

/// What there is, and what there may be.
struct Room {
    tasks: u64,
    bytes: u64,
    bounds: Bounds,
}

impl Room {
    fn of(connection: &Connection) -> Result<Self, Error> {
        let sql = "select coalesce(sum(tasks), 0), coalesce(sum(bytes), 0) from spooled";
        let number = |n: i64| n.cast_unsigned();
        let sums = connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { tasks: number(sums.0), bytes: number(sums.1), bounds: bounds(connection)? })
    }

    /// Takes room, or answers the bound that would be exceeded.
    fn take(&mut self, tasks: u64, bytes: u64) -> Result<(), Full> {
        let over = |depth, more: u64, limit, unit| match depth + more > limit {
            true => Err(Full { depth, limit, unit }),
            false => Ok(()),
        };
        over(self.tasks, tasks, self.bounds.tasks, "tasks")?;
        over(self.bytes, bytes, self.bounds.bytes, "bytes")?;
        (self.tasks, self.bytes) = (self.tasks + tasks, self.bytes + bytes);
        Ok(())
    }
}

/// Whether a second submission under an id is the first one again.
fn same(a: &Block, b: &Block) -> bool {
    a.id == b.id && a.queue == b.queue && a.task_type == b.task_type && a.payloads == b.payloads
}

fn tasks_of(blocks: &[Block]) -> u64 {
    blocks.iter().map(|block| block.payloads.len() as u64).sum()
}

// === bodies ===

fn pack(blocks: &[Block]) -> Result<Vec<u8>, Error> {
    rmp_serde::to_vec_named(blocks)
        .map_err(|e| Error::Refused(format!("a submission cannot be written: {e}")))
}

fn put_body(connection: &Connection, seq: i64, backend: &Key, body: Vec<u8>) -> Result<(), Error> {
    let body = seal(&[&seq.to_be_bytes(), backend.as_str().as_bytes()], body);
    let sql = "insert or replace into bodies (seq, body) values (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![seq, body])?;
    Ok(())
}

/// The blocks of a row; none when they are damaged.
fn unpack(connection: &Connection, seq: i64, backend: &Key) -> Result<Option<Vec<Block>>, Error> {
    let sql = "select body from bodies where seq = ?1";
    let body: Option<Vec<u8>> =
        connection.prepare_cached(sql)?.query_row([seq], |row| row.get(0)).optional()?;
    let Some(body) = body else { return Ok(None) };
    let bytes = unseal(&[&seq.to_be_bytes(), backend.as_str().as_bytes()], &body);
    Ok(bytes.and_then(|bytes| rmp_serde::from_slice(&Bytes::copy_from_slice(bytes)).ok()))
}

// === delivering ===

/// The next rows of a call: one that is whole, or several that are not.
pub(super) fn batch(
    connection: &Connection,
    backend: &Key,
    after: i64,
    most: usize,
    blocked: &[(QueueName, Option<TaskType>)],
) -> Result<Vec<Row>, Error> {
    let sql = "select seq, queue, task_type, partial, tasks, bytes, kept_at from spooled \
               where backend = ?1 and refused = 0 and seq > ?2 order by seq";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query(params![backend.as_str(), after])?;
    let (mut batch, mut tasks, mut bytes) = (Vec::new(), 0, 0);
    while let Some(row) = rows.next()? {
        let (queue, task_type): (String, String) = (row.get(1)?, row.get(2)?);
        let in_the_way = |(name, of): &(QueueName, Option<TaskType>)| {
            name.as_str() == queue && of.as_ref().is_none_or(|of| of.as_str() == task_type)
        };
        if blocked.iter().any(in_the_way) {
            continue;
        }
        let partial: bool = row.get(3)?;
        tasks += usize::try_from(row.get::<_, i64>(4)?).unwrap_or(usize::MAX);
        bytes += usize::try_from(row.get::<_, i64>(5)?).unwrap_or(usize::MAX);
        let over = tasks > most || bytes > MOST_BYTES;
        if !batch.is_empty() && (over || !partial) {
            break;
        }
        let (seq, kept_at) = (row.get(0)?, Timestamp::from_micros(row.get(6)?));
        batch.push(Row { seq, partial, kept_at, blocks: unpack(connection, seq, backend)? });
        if !partial {
            break;
        }
    }
    Ok(batch)
}

/// Writes a verdict down. A row that is gone stays so: somebody else delivered or dropped it.
pub(super) fn conclude(connection: &Connection, verdict: &Verdict) -> Result<(), Error> {
    let seq = verdict.seq;
    let sql = "select backend, kept_at from spooled where seq = ?1";
    let row =
        connection.prepare_cached(sql)?.query_row([seq], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)));
    let Some((backend, kept_at)) = row.optional()? else { return Ok(()) };
    let backend = Key(backend);
    match &verdict.fate {
        Fate::Gone => remove(connection, seq)?,
        Fate::Waits { left, why } => {
            let sql = "update spooled set refusal = ?2, tries = tries + 1 where seq = ?1";
            connection.prepare_cached(sql)?.execute(params![seq, why])?;
            if let Some(blocks) = left {
                let body = pack(blocks)?;
                // Its name, too: the first of its members may have left for a row of its own.
                let name = blocks.first().map(|block| *block.id.as_bytes());
                let sql = "update spooled set tasks = ?2, bytes = ?3, id = coalesce(?4, id) where seq = ?1";
                let size = (tasks_of(blocks).cast_signed(), body.len() as i64);
                connection.prepare_cached(sql)?.execute(params![seq, size.0, size.1, name])?;
                put_body(connection, seq, &backend, body)?;
            }
        }
        Fate::Refused { why } => {
            let sql = "update spooled set refusal = ?2, tries = tries + 1, refused = 1 where seq = ?1";
            connection.prepare_cached(sql)?.execute(params![seq, why])?;
        }
    }
    for (block, why) in &verdict.refused {
        let kept_at = Timestamp::from_micros(kept_at);
        NewRow::new(&backend, std::slice::from_ref(block), true, kept_at)?.insert(connection, Some(why))?;
    }
    Ok(())
}

pub(super) fn remove(connection: &Connection, seq: i64) -> Result<(), Error> {
    connection.prepare_cached("delete from spooled where seq = ?1")?.execute([seq])?;
    connection.prepare_cached("delete from bodies where seq = ?1")?.execute([seq])?;
    Ok(())
}
