//! How a file is opened: whose it is, how it is kept, and its schema.

use rusqlite::{Connection, config::DbConfig};

use crate::{
    db::{Config, Sharing},
    error::Error,
    lock::FileLock,
};

/// Opens a connection as configured, with its schema up to date.
pub(crate) fn prepare(config: &Config, lock: &FileLock) -> Result<Connection, Error> {
    let connection = Connection::open(&config.path).map_err(|e| Error::opening(&config.path, e))?;
    tune(&connection)?;
    // Two processes that open a new file at once must not both create its schema.
    let _turn = (config.sharing == Sharing::Shared).then(|| lock.turn()).transpose()?;
    if config.sharing == Sharing::Exclusive {
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    }
    identify(&connection, config)?;
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4000; \
         PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;";
    connection.execute_batch(pragmas).map_err(|e| Error::opening(&config.path, e))?;
    set_synchronous(&connection, config.durable)?;
    if config.check {
        let verdict: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
        if verdict != "ok" {
            return Err(Error::Corrupt(verdict));
        }
    }
    migrate(&connection, config)?;
    Ok(connection)
}

/// What every connection to a file has in common, the reader's too.
pub(crate) fn tune(connection: &Connection) -> Result<(), Error> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(128);
    // Else a statement that a partial index may serve is compiled again whenever its values change.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Whether commits wait for the disk.
pub(crate) fn set_synchronous(connection: &Connection, durable: bool) -> Result<(), Error> {
    Ok(connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?)
}

/// Refuses somebody else's database before anything is written to it.
fn identify(connection: &Connection, config: &Config) -> Result<(), Error> {
    let number = |name: &str| -> Result<i64, Error> {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|e| Error::opening(&config.path, e))
    };
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != i64::from(config.application) && (application != 0 || tables > 0) {
        return Err(Error::NotOurs(config.path.clone()));
    }
    if version > config.migrations.len() as i64 {
        return Err(Error::TooNew { path: config.path.clone(), version, known: config.migrations.len() });
    }
    Ok(())
}

fn migrate(connection: &Connection, config: &Config) -> Result<(), Error> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(0);
    for (step, sql) in config.migrations.iter().enumerate().skip(done) {
        let (application, next) = (config.application, step + 1);
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; PRAGMA application_id = {application}; {sql}; PRAGMA user_version = {next}; COMMIT;"
        ))?;
    }
    Ok(())
}
