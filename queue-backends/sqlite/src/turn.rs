//! One call's share of a transaction: the connection, the moment, and the queues and lanes it touches.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use bytes::Bytes;
use rusqlite::{CachedStatement, Connection, Params, Row, types::ValueRef};
use skep_queue::{Block, BlockId, ClaimId, DroneFacts, Options, Payloads, Priority, TaskId, Timestamp};

use crate::{
    error::Error,
    lane::Lanes,
    mutant::mutant,
    part::{PART_COLUMNS, Part, part_columns},
    row,
};

/// See the module.
pub(crate) struct Turn<'a> {
    pub(crate) db: &'a Connection,
    /// The queue's clock, read once: everything in a call happens at one moment.
    pub(crate) now: Timestamp,
    pub(crate) lanes: Lanes,
    /// Whether somebody should look again after the commit.
    pub(crate) ring: bool,
    workers: HashMap<ClaimId, Option<String>>,
    /// What a call runs again and again: finding a statement by its text is a good part of running it.
    kept: RefCell<Vec<(&'static str, CachedStatement<'a>)>>,
}

/// A row of `blocks`.
#[derive(Debug, Clone)]
pub(crate) struct BlockRow {
    pub(crate) id: i64,
    pub(crate) block: BlockId,
    pub(crate) lane: i64,
    pub(crate) priority: Priority,
    /// Members accepted.
    pub(crate) n: usize,
    pub(crate) options: Arc<Options>,
    pub(crate) created_at: Timestamp,
}

/// The columns that [`BlockRow::read`] reads, for a `select` from `blocks b`.
macro_rules! block_columns {
    () => {
        "b.id, b.block, b.lane, b.priority, b.n, b.options, b.created_at"
    };
}
pub(crate) use block_columns;

/// How many columns that is.
pub(crate) const BLOCK_COLUMNS: usize = 7;

const BY_UUID: &str = concat!("select ", block_columns!(), " from blocks b where b.block = ?1");
const BY_ID: &str = concat!("select ", block_columns!(), " from blocks b where b.id = ?1");
pub(crate) const WITH_PARTS: &str = concat!(
    "select ",
    part_columns!(),
    ", ",
    block_columns!(),
    " from blocks b left join parts p on p.block = b.id where b.block = ?1 order by p.id"
);
const BODY: &str = "select body from bodies where block = ?1";
const WORKER: &str =
    "select d.facts from claims c join drones d on d.incarnation = c.drone where c.claim = ?1";
const NEXT_BEAT: &str = "update beats set number = number + 1 returning number";
pub(crate) const PROMOTE: &str = "update parts set state = 0 where state = 1 and run_at <= ?1";

impl<'a> Turn<'a> {
    pub(crate) fn new(db: &'a Connection, now: Timestamp) -> Self {
        let (lanes, workers, kept) = (Lanes::default(), HashMap::new(), RefCell::default());
        Self { db, now, lanes, ring: false, workers, kept }
    }

    /// Runs a statement that the call runs often; answers how many rows it changed.
    pub(crate) fn run(&self, sql: &'static str, params: impl Params) -> Result<usize, Error> {
        Ok(self.kept(sql, |statement| statement.execute(params))??)
    }

    /// The same for a question; `read` sees each row.
    pub(crate) fn each(
        &self,
        sql: &'static str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.kept(sql, |statement| {
            let mut rows = statement.query(params)?;
            while let Some(row) = rows.next()? {
                read(row)?;
            }
            Ok(())
        })?
    }

    fn kept<T>(
        &self,
        sql: &'static str,
        work: impl FnOnce(&mut CachedStatement<'a>) -> T,
    ) -> Result<T, Error> {
        let mut kept = self.kept.borrow_mut();
        if let Some((_, statement)) = kept.iter_mut().find(|(known, _)| *known == sql) {
            return Ok(work(statement));
        }
        let mut statement = self.db.prepare_cached(sql)?;
        let done = work(&mut statement);
        kept.push((sql, statement));
        Ok(done)
    }

    /// Writes the counts. Nothing may follow but the commit.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.lanes.write(self.db)
    }

    /// Does `work` whole, or not at all when it answers a refusal.
    pub(crate) fn attempt<T, R>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<Result<T, R>, Error>,
    ) -> Result<Result<T, R>, Error> {
        let before = (self.lanes.clone(), self.ring);
        row::run(self.db, "savepoint attempt", [])?;
        let done = work(self)?;
        if done.is_err() && !mutant!(HalfCall) {
            row::run(self.db, "rollback to attempt", [])?;
            (self.lanes, self.ring) = before;
        }
        row::run(self.db, "release attempt", [])?;
        Ok(done)
    }

    /// Makes what is due available. One statement, which an index answers when there is nothing.
    pub(crate) fn promote(&mut self) -> Result<(), Error> {
        // Nobody needs to be told: who waits has a timer of its own.
        row::run(self.db, PROMOTE, [self.now.micros()])?;
        Ok(())
    }

    /// The number of the next beat of any drone.
    pub(crate) fn next_beat(&self) -> Result<i64, Error> {
        let number = row::first(self.db, NEXT_BEAT, [], |row| Ok(row.get(0)?))?;
        number.ok_or_else(|| Error::Corrupt("the beats are not counted".into()))
    }

    /// The name of the drone that has a claim, as it told it.
    pub(crate) fn worker(&mut self, claim: ClaimId) -> Result<Option<String>, Error> {
        if let Some(known) = self.workers.get(&claim) {
            return Ok(known.clone());
        }
        let name = row::first(self.db, WORKER, [&claim.as_bytes()[..]], name)?.flatten();
        self.workers.insert(claim, name.clone());
        Ok(name)
    }

    /// A block, by its own id.
    pub(crate) fn block(&self, block: BlockId) -> Result<Option<BlockRow>, Error> {
        row::first(self.db, BY_UUID, [&block.as_bytes()[..]], |row| BlockRow::read(row, 0))
    }

    /// A block, by its own id, and every part of it.
    pub(crate) fn with_parts(&self, block: BlockId) -> Result<Option<(BlockRow, Vec<Part>)>, Error> {
        let (mut found, mut parts) = (None, Vec::new());
        self.each(WITH_PARTS, [&block.as_bytes()[..]], |row| {
            if found.is_none() {
                found = Some(BlockRow::read(row, PART_COLUMNS)?);
            }
            if row.get_ref(0)? != ValueRef::Null {
                parts.push(Part::read(row)?);
            }
            Ok(())
        })?;
        Ok(found.map(|found| (found, parts)))
    }

    /// The block of a row that names it.
    pub(crate) fn block_of(&self, id: i64) -> Result<BlockRow, Error> {
        let found = row::first(self.db, BY_ID, [id], |row| BlockRow::read(row, 0))?;
        found.ok_or_else(|| Error::Corrupt(format!("block {id} is missing")))
    }

    /// The block and ordinal that a task id means: a block of its own first, since users bring any id.
    pub(crate) fn find(&self, task: TaskId) -> Result<Option<(BlockRow, u8)>, Error> {
        for (block, ordinal) in task.places().into_iter().flatten() {
            if let Some(found) = self.block(block)?.filter(|found| usize::from(ordinal) < found.n) {
                return Ok(Some((found, ordinal)));
            }
        }
        Ok(None)
    }

    /// A block's payloads.
    pub(crate) fn body(&self, block: i64) -> Result<Payloads, Error> {
        let body = row::first(self.db, BODY, [block], |row| payloads(row, 0))?;
        body.ok_or_else(|| Error::Corrupt(format!("block {block} has no body")))
    }

    /// The part of a block that has a member, if it is not terminal.
    pub(crate) fn part(&self, block: i64, ordinal: u8) -> Result<Option<Part>, Error> {
        Ok(Part::of_block(self.db, block)?.into_iter().find(|part| part.live.has(ordinal)))
    }
}

// === impl BlockRow ===

impl BlockRow {
    /// Reads [`block_columns`], which begin at column `at`.
    pub(crate) fn read(row: &Row<'_>, at: usize) -> Result<Self, Error> {
        let options = match row.get_ref(at + 5)?.as_str_or_null().unwrap_or_default() {
            None => Arc::default(),
            Some(json) => serde_json::from_str(json).map_err(|e| Error::Corrupt(format!("options: {e}")))?,
        };
        Ok(Self {
            id: row.get(at)?,
            block: row::id(row, at + 1, BlockId::from_bytes)?,
            lane: row.get(at + 2)?,
            priority: Priority::try_from(row.get::<_, u8>(at + 3)?).unwrap_or_default(),
            n: row::count(row, at + 4)? as usize,
            options,
            created_at: Timestamp::from_micros(row.get(at + 6)?),
        })
    }
}

/// Payloads as stored.
pub(crate) fn payloads(row: &Row<'_>, column: usize) -> Result<Payloads, Error> {
    let body = Bytes::from(row.get::<_, Vec<u8>>(column)?);
    Payloads::from_bytes(body).ok_or_else(|| Error::Corrupt("a body is damaged".into()))
}

/// A block's options as stored: nothing when all are default.
pub(crate) fn options_text(block: &Block) -> Result<Option<String>, Error> {
    if *block.options == Options::default() {
        return Ok(None);
    }
    serde_json::to_string(&*block.options).map(Some).map_err(|e| Error::Refused(format!("options: {e}")))
}

fn name(row: &Row<'_>) -> Result<Option<String>, Error> {
    let facts: DroneFacts = serde_json::from_str(&row.get::<_, String>(0)?).unwrap_or_default();
    Ok((!facts.name.is_empty()).then_some(facts.name))
}
