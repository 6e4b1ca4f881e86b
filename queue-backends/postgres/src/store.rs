//! Connections, and the one way in which a statement is run.

use std::{str::FromStr, sync::Arc, time::Duration};

use skep_queue::{Clock, Random};
use sqlx::{
    AssertSqlSafe, PgPool,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow},
};

use crate::error::Error;

/// How long any statement may take before the queue counts as unreachable.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Most connections of a process, one of which the doorbell holds.
const CONNECTIONS: u32 = 3;

/// How a queue is reached.
#[derive(Debug, Clone)]
pub struct Config {
    /// `postgres://user@host/database`, or a libpq environment.
    pub url: String,
    /// The schema in which skep lies.
    pub schema: String,
    /// What the server shows of this process.
    pub application: String,
}

/// A database that is reached when it is first asked.
pub struct Store {
    pub(crate) pool: PgPool,
    pub(crate) schema: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Store {
    /// Opens nothing yet: the server may be down.
    ///
    /// # Errors
    /// When the URL is wrong.
    pub fn new(config: &Config, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self, Error> {
        let options =
            PgConnectOptions::from_str(&config.url).map_err(|error| Error::Url(error.to_string()))?;
        let options = options.application_name(&config.application);
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(TIMEOUT);
        Ok(Self { pool: pool.connect_lazy_with(options), schema: config.schema.clone(), clock, random })
    }

    /// Runs one statement in a transaction of its own. It says `skep.` before every name of skep's.
    pub(crate) async fn call(&self, sql: &str, arguments: PgArguments) -> Result<Vec<PgRow>, Error> {
        let sql = self.placed(sql);
        let rows = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(&self.pool);
        match tokio::time::timeout(TIMEOUT, rows).await {
            Ok(rows) => Ok(rows?),
            Err(_) => Err(Error::Unreachable(format!("no answer for {} s", TIMEOUT.as_secs()))),
        }
    }

    /// A text of SQL, for the schema in which this queue lies.
    pub(crate) fn placed(&self, sql: &str) -> String {
        crate::schema::placed(sql, &self.schema)
    }
}
