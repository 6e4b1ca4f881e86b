//! The local queue on file: all of its SQL but the scan at start. A write may be asked for twice, when it was
//! not known whether the first went through: hence `insert or replace`.

use skep_queue::{ClaimId, Clock, Mask};
use skep_sqlite::{Connection, Db, Error, Sharing, params};

use super::{
    Config, Durability,
    codec::{Head, Set, body, pack, pack_endings, pack_places, seal},
    held::{Flush, Held, Trash},
};

/// A held row, ready to be written.
#[derive(Debug)]
pub(super) struct NewRow {
    key: u64,
    source: String,
    claim: ClaimId,
    live: Mask,
    head: Vec<u8>,
    body: Vec<u8>,
    stored_at: i64,
}

impl NewRow {
    /// A row of which nothing has started.
    pub(super) fn of(held: &Held, source: &str, clock: &dyn Clock) -> Result<Self, Error> {
        let (claim, body) = (held.like().claim, body(held));
        let head = seal(&[source.as_bytes(), claim.as_bytes(), &body], pack(&Head::of(held))?);
        let (key, stored_at) = (held.key, clock.now().micros());
        Ok(Self { key, source: source.to_owned(), claim, live: held.live, head, body, stored_at })
    }

    fn insert(&self, connection: &Connection) -> Result<(), Error> {
        let sql = "insert or replace into held (id, source, claim, live, started, stored_at) \
                   values (?1, ?2, ?3, ?4, ?5, ?6)";
        connection.prepare_cached(sql)?.execute(params![
            self.key.cast_signed(),
            self.source,
            self.claim.as_bytes(),
            pack_places(self.key, Set::Live, self.live),
            pack_places(self.key, Set::Started, Mask::EMPTY),
            self.stored_at,
        ])?;
        let sql = "insert or replace into claimed (held, head, body) values (?1, ?2, ?3)";
        connection.prepare_cached(sql)?.execute(params![self.key.cast_signed(), self.head, self.body])?;
        Ok(())
    }
}

/// Renames a file that is damaged: the leases are the truth.
pub(super) fn set_aside(config: &Config, why: &str, clock: &dyn Clock) -> Result<(), Error> {
    let aside = aside(config, clock);
    tracing::error!(path = %config.path.display(), aside = %aside.display(), why,
        "the local queue is damaged: set aside, starting empty; its tasks come back when their leases end");
    std::fs::rename(&config.path, &aside)
        .map_err(|e| Error::Io(format!("{}: {e}", config.path.display())))?;
    for suffix in ["-wal", "-shm"] {
        let mut path = config.path.clone().into_os_string();
        path.push(suffix);
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// Opens the file, and looks for damage to its structure.
pub(super) fn open(config: &Config) -> Result<Db, Error> {
    let opened = Db::open(skep_sqlite::Config {
        path: config.path.clone(),
        sharing: Sharing::Exclusive,
        durable: config.durability == Durability::Full,
        application: skep_migrations::LOCAL_APPLICATION,
        migrations: skep_migrations::LOCAL,
        allow_network: config.allow_network,
        check: true,
    });
    match opened {
        // A file that is no database at all was one of ours once, or nobody's: it lies where we keep ours.
        Err(Error::Place { why, .. }) if why.contains("not a SQLite database") => Err(Error::Corrupt(why)),
        other => other,
    }
}

fn aside(config: &Config, clock: &dyn Clock) -> std::path::PathBuf {
    let mut aside = config.path.clone().into_os_string();
    aside.push(format!(".corrupt-{}", clock.now().micros()));
    aside.into()
}

/// Writes new rows.
pub(super) fn insert(connection: &Connection, rows: &[NewRow]) -> Result<(), Error> {
    rows.iter().try_for_each(|row| row.insert(connection))
}

/// Writes which members have started.
pub(super) fn mark_started(connection: &Connection, rows: &[(u64, Mask)]) -> Result<(), Error> {
    let mut update = connection.prepare_cached("update held set started = ?2 where id = ?1")?;
    for (key, started) in rows {
        update.execute(params![key.cast_signed(), pack_places(*key, Set::Started, *started)])?;
    }
    Ok(())
}

/// Writes outcomes and links, and drops what is done with.
pub(super) fn flush(connection: &Connection, flush: &Flush, clock: &dyn Clock) -> Result<(), Error> {
    let sql = "insert or replace into outbox (id, held, members, endings) values (?1, ?2, ?3, ?4)";
    let mut insert = connection.prepare_cached(sql)?;
    for (key, kept) in &flush.endings {
        let packed = pack_endings(*key, &kept.endings)?;
        let left = pack_places(kept.row, Set::Outbox, kept.left);
        insert.execute(params![kept.row.cast_signed(), key.cast_signed(), left, packed])?;
    }
    for (parent, child) in &flush.links {
        let sql = "select source from held where id = ?1";
        let source: String =
            connection.prepare_cached(sql)?.query_row([parent.cast_signed()], |row| row.get(0))?;
        NewRow::of(child, &source, clock)?.insert(connection)?;
    }
    flush.trash.iter().try_for_each(|trash| drop_trash(connection, *trash))
}

fn drop_trash(connection: &Connection, trash: Trash) -> Result<(), Error> {
    let run = |sql: &str, key: u64| connection.prepare_cached(sql)?.execute([key.cast_signed()]);
    let mask = |sql: &str, key: u64, set: Set, left: Mask| {
        connection.prepare_cached(sql)?.execute(params![key.cast_signed(), pack_places(key, set, left)])
    };
    match trash {
        Trash::Row(row) => run("delete from outbox where id = ?1", row)?,
        Trash::Shrink(row, left) => {
            mask("update outbox set members = ?2 where id = ?1", row, Set::Outbox, left)?
        }
        Trash::Live(key, left) => mask("update held set live = ?2 where id = ?1", key, Set::Live, left)?,
        Trash::Held(key) => {
            run("delete from held where id = ?1", key)?;
            run("delete from claimed where held = ?1", key)?
        }
    };
    Ok(())
}
