//! Statements and rows, in the few shapes that this crate uses. Every statement is prepared once.

use rusqlite::{Connection, Params, Row};
use skep_queue::Mask;

use crate::error::Error;

/// Runs a statement; answers how many rows it changed.
pub(crate) fn run(db: &Connection, sql: &str, params: impl Params) -> Result<usize, Error> {
    Ok(db.prepare_cached(sql)?.execute(params)?)
}

/// The first row, if there is one.
pub(crate) fn first<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

/// Every row.
pub(crate) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    until(db, sql, params, |row| {
        found.push(read(row)?);
        Ok(true)
    })?;
    Ok(found)
}

/// Rows until `read` has enough and answers false.
pub(crate) fn until(
    db: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        if !read(row)? {
            break;
        }
    }
    Ok(())
}

/// How SQLite would go about a statement, for tests that an index is used.
#[cfg(test)]
pub(crate) fn plan(db: &Connection, sql: &str) -> String {
    let mut statement = db.prepare(&format!("explain query plan {sql}")).expect("it is a statement");
    let values = rusqlite::params_from_iter(vec![rusqlite::types::Null; statement.parameter_count()]);
    let steps = statement.query_map(values, |row| row.get::<_, String>(3)).expect("it has a plan");
    steps.map(|step| step.expect("a step")).collect::<Vec<_>>().join("; ")
}

/// Whether there is any row.
pub(crate) fn any(db: &Connection, sql: &str, params: impl Params) -> Result<bool, Error> {
    Ok(db.prepare_cached(sql)?.exists(params)?)
}

/// A set of members.
pub(crate) fn mask(row: &Row<'_>, column: usize) -> Result<Mask, Error> {
    blob(row, column, Mask::from_bytes)
}

/// An id.
pub(crate) fn id<T>(row: &Row<'_>, column: usize, from: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, Error> {
    blob(row, column, from)
}

/// An id that may be absent.
pub(crate) fn maybe_id<T>(
    row: &Row<'_>,
    column: usize,
    from: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, Error> {
    let bytes = row.get_ref(column)?.as_blob_or_null().map_err(|_| odd(row, column))?;
    bytes.map(|bytes| from(bytes).ok_or_else(|| odd(row, column))).transpose()
}

/// A name that was checked when it was written.
pub(crate) fn name<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> Result<T, Error> {
    let text = row.get_ref(column)?.as_str().map_err(|_| odd(row, column))?;
    text.parse().map_err(|_| odd(row, column))
}

/// A count, stored as SQLite stores all integers.
pub(crate) fn count(row: &Row<'_>, column: usize) -> Result<u64, Error> {
    Ok(row.get::<_, i64>(column)?.max(0).cast_unsigned())
}

/// A count that may be absent.
pub(crate) fn maybe_count(row: &Row<'_>, column: usize) -> Result<Option<u64>, Error> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|count| count.max(0).cast_unsigned()))
}

fn blob<T>(row: &Row<'_>, column: usize, from: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, Error> {
    let bytes = row.get_ref(column)?.as_blob().map_err(|_| odd(row, column))?;
    from(bytes).ok_or_else(|| odd(row, column))
}

fn odd(row: &Row<'_>, column: usize) -> Error {
    let name = row.as_ref().column_name(column).unwrap_or("?");
    Error::Corrupt(format!("column {name} holds what skep never writes"))
}
