//! What whoever runs the database asks for: setting the schema up, and looking for what is wrong.

use skep_queue::{Clock, health::Finding};
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::{
    address::{Address, scrubbed},
    doctor,
    error::Error,
    schema::{self, Status},
    store::Config,
};

/// Brings the schema to what this version wants; answers the parts that were put there.
///
/// # Errors
/// When the server cannot be reached, rights are missing, or the schema is newer: nothing is changed.
pub async fn up(config: &Config) -> Result<Vec<String>, Error> {
    let (mut desk, schema) = Desk::open(config).await?;
    let done = schema::up(&mut desk.connection, &schema).await;
    desk.close(done).await
}

/// The SQL that [`up`] would run; empty when there is nothing to do.
///
/// # Errors
/// As of [`up`].
pub async fn plan(config: &Config) -> Result<String, Error> {
    let (mut desk, schema) = Desk::open(config).await?;
    let sql = schema::plan(&mut desk.connection, &schema).await;
    desk.close(sql).await
}

/// How the schema compares with what this version wants.
///
/// # Errors
/// When the server cannot be reached, or the role may not look.
pub async fn status(config: &Config) -> Result<Status, Error> {
    let (mut desk, schema) = Desk::open(config).await?;
    let status = schema::status(&mut desk.connection, &schema).await;
    desk.close(status).await
}

/// Everything that may be wrong with the database, one line each.
///
/// # Errors
/// When the server cannot be reached.
pub async fn doctor(config: &Config, clock: &dyn Clock) -> Result<Vec<Finding>, Error> {
    let (mut desk, schema) = Desk::open(config).await?;
    let pooled = desk.pooled;
    let findings = doctor::look(&mut desk.connection, &schema, pooled, clock).await;
    desk.close(Ok(findings)).await
}

/// A connection for one errand.
struct Desk {
    connection: PgConnection,
    /// Whether a pooler was told of, or refused what only a server understands.
    pooled: bool,
    address: Address,
}

impl Desk {
    /// Past the pooler, where the URL says how.
    async fn open(config: &Config) -> Result<(Self, String), Error> {
        let (address, schema) = config.read()?;
        let pooled = address.pooled;
        let address = address.listen.as_deref().cloned().unwrap_or(address);
        let made = match Self::connect(&address, config, address.pooled).await {
            Err(error) if !address.pooled && error.to_string().contains("unsupported startup parameter") => {
                Self::connect(&address, config, true).await.map(|connection| (connection, true))
            }
            made => made.map(|connection| (connection, pooled)),
        };
        match made {
            Ok((connection, pooled)) => Ok((Self { connection, pooled, address }, schema)),
            Err(error) => {
                Err(error.map(|text| scrubbed(&format!("{}: {text}", address.place()), &address.secrets)))
            }
        }
    }

    async fn connect(address: &Address, config: &Config, pooled: bool) -> Result<PgConnection, Error> {
        let options = address.ready(&config.application, pooled)?;
        let seconds = address.connect_timeout.as_secs();
        match tokio::time::timeout(address.connect_timeout, options.connect()).await {
            Ok(connection) => Ok(connection?),
            Err(_) => Err(Error::Unreachable(format!("no connection within {seconds} s"))),
        }
    }

    async fn close<T>(self, ended: Result<T, Error>) -> Result<T, Error> {
        // A server that is gone has closed it, too.
        let _ = self.connection.close().await;
        ended.map_err(|error| error.map(|text| scrubbed(&text, &self.address.secrets)))
    }
}
