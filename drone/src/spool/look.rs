//! The spool on file: what an operator sees of it, and steers.

use skep_queue::{BlockId, TaskId, Timestamp};
use skep_sqlite::{Connection, Error, OptionalExtension, Row, params};

use super::{Bounds, Key, file::remove};

/// What waits for one backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Whose it is.
    pub backend: String,
    /// Submissions that wait.
    pub submissions: u64,
    /// Their tasks.
    pub tasks: u64,
    /// When the oldest of them was kept.
    pub oldest: Option<Timestamp>,
    /// Submissions that the queue refused for good.
    pub refused: u64,
}

/// One submission, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Of its first task.
    pub id: TaskId,
    /// Whose it is.
    pub backend: String,
    /// Of its first task.
    pub queue: String,
    /// Of its first task.
    pub task_type: String,
    /// How many tasks.
    pub tasks: u64,
    /// Of its blocks.
    pub bytes: u64,
    /// When it was kept.
    pub kept_at: Timestamp,
    /// How often the queue has refused it.
    pub tries: u64,
    /// What the queue said last.
    pub refusal: Option<String>,
    /// Whether that was for good.
    pub refused: bool,
}

/// Fails on a file whose tables are damaged.
pub(super) fn probe(connection: &Connection) -> Result<(), Error> {
    bounds(connection)?;
    let sql = "select count(*), count(refusal) from spooled left join bodies using (seq)";
    Ok(connection.query_row(sql, [], |_| Ok(()))?)
}

pub(super) fn bounds(connection: &Connection) -> Result<Bounds, Error> {
    let said = connection.prepare_cached("select tasks, bytes from bounds")?.query_row([], |row| {
        let (tasks, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(Bounds { tasks: tasks.cast_unsigned(), bytes: bytes.cast_unsigned() })
    });
    Ok(said.optional()?.unwrap_or_default())
}

pub(super) fn set_bounds(connection: &Connection, bounds: Bounds) -> Result<(), Error> {
    let most = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let sql = "insert or replace into bounds (id, tasks, bytes) values (1, ?1, ?2)";
    connection.execute(sql, params![most(bounds.tasks), most(bounds.bytes)])?;
    Ok(())
}

pub(super) fn tally(connection: &Connection) -> Result<Vec<Tally>, Error> {
    let sql = "select backend, sum(refused = 0), sum(iif(refused = 0, tasks, 0)), \
               min(iif(refused = 0, kept_at, null)), sum(refused) from spooled group by backend";
    let number = |row: &Row<'_>, i| Ok::<_, Error>(row.get::<_, i64>(i)?.cast_unsigned());
    let mut select = connection.prepare(sql)?;
    let mut rows = select.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(Tally {
            backend: row.get(0)?,
            submissions: number(row, 1)?,
            tasks: number(row, 2)?,
            oldest: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_micros),
            refused: number(row, 4)?,
        });
    }
    Ok(all)
}

pub(super) fn list(connection: &Connection) -> Result<Vec<Entry>, Error> {
    let sql = "select id, backend, queue, task_type, tasks, bytes, kept_at, tries, refusal, refused \
               from spooled order by seq";
    let mut select = connection.prepare(sql)?;
    let mut rows = select.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let id = BlockId::from_bytes(&row.get::<_, Vec<u8>>(0)?);
        let id = id.ok_or_else(|| Error::Corrupt("an id of the spool is not 16 bytes".into()))?;
        all.push(Entry {
            id: id.task(0),
            backend: row.get(1)?,
            queue: row.get(2)?,
            task_type: row.get(3)?,
            tasks: row.get::<_, i64>(4)?.cast_unsigned(),
            bytes: row.get::<_, i64>(5)?.cast_unsigned(),
            kept_at: Timestamp::from_micros(row.get(6)?),
            tries: row.get::<_, i64>(7)?.cast_unsigned(),
            refusal: row.get(8)?,
            refused: row.get(9)?,
        });
    }
    Ok(all)
}

pub(super) fn discard(connection: &Connection, id: TaskId) -> Result<bool, Error> {
    let mut select = connection.prepare_cached("select seq from spooled where id = ?1")?;
    let rows = select.query_map([id.as_bytes()], |row| row.get(0))?;
    let rows: Vec<i64> = rows.collect::<Result<_, _>>()?;
    rows.iter().try_for_each(|seq| remove(connection, *seq))?;
    Ok(!rows.is_empty())
}

pub(super) fn forgive(connection: &Connection, backend: &Key) -> Result<(), Error> {
    let sql = "update spooled set refused = 0 where backend = ?1 and refused = 1";
    connection.execute(sql, [backend.as_str()])?;
    Ok(())
}
