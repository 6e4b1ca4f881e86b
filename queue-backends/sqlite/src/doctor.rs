//! What may be wrong with an embedded queue, in words that say what to do. It only looks.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use skep_queue::health::Finding;

use crate::{
    error::Error,
    place::{self, free_space},
};

/// Less than this is soon used up.
const TIGHT: u64 = 256 << 20;

/// Looks at a file that is there.
///
/// # Errors
/// When it cannot be opened.
pub fn look(path: &Path) -> Result<Vec<Finding>, Error> {
    let mut found = vec![Finding::ok("sqlite", rusqlite::version())];
    if let Err(error) = place::check(path, false) {
        found.push(Finding::bad("place", error.to_string()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| Error::opening(path, error))?;
    found.extend(file(&connection).map_err(|error| Error::opening(path, error))?);
    found.push(match free_space(path)? {
        free if free < TIGHT => {
            Finding::warn("disk", format!("{} MiB free: soon nothing can be queued", free >> 20))
        }
        free => Finding::ok("disk", format!("{} MiB free", free >> 20)),
    });
    Ok(found)
}

fn file(connection: &Connection) -> rusqlite::Result<Vec<Finding>> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version, known) =
        (number("application_id")?, number("user_version")?, skep_migrations::SQLITE.len() as i64);
    if application != i64::from(skep_migrations::SQLITE_APPLICATION) {
        return Ok(vec![Finding::bad("schema", "it is no queue of skep's: name another file")]);
    }
    let schema = match version {
        _ if version > known => {
            let words = format!("of version {version}, and this skep knows {known}: use the newer skep");
            Finding::bad("schema", words)
        }
        _ if version < known => {
            let words = format!("of version {version}; whoever opens it next makes it {known}");
            Finding::warn("schema", words)
        }
        _ => Finding::ok("schema", format!("of version {version}")),
    };
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let journal = if mode == "wal" {
        Finding::ok("durability", "a commit waits for the disk (WAL, synchronous FULL)")
    } else {
        Finding::warn(
            "durability",
            format!("journal_mode is {mode}: skep sets it to wal when it opens the file"),
        )
    };
    let check: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    let whole = if check == "ok" {
        Finding::ok("integrity", "quick_check finds nothing")
    } else {
        Finding::bad("integrity", format!("{check}: stop its drones, keep a copy, and restore a backup"))
    };
    Ok(vec![schema, journal, whole])
}
