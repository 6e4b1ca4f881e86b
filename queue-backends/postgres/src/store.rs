//! The connections of a process, and the one way in which a statement is run.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use skep_queue::{Clock, Random};
use sqlx::{
    PgPool, Row,
    postgres::{PgArguments, PgPoolOptions, PgRow},
};

use crate::{
    address::{self, Address},
    error::Error,
    line::Lines,
    schema,
};

/// Connections for work. With that of the heartbeat and that of the doorbell a process has four.
const WORK: usize = 2;

/// How a queue is reached.
#[derive(Clone)]
pub struct Config {
    /// `postgres://user@host/database`; what it leaves out comes from where libpq takes it.
    pub url: String,
    /// The schema in which skep lies, unless the URL says `schema=`.
    pub schema: String,
    /// What the server shows of this process, unless the URL says `application_name=`.
    pub application: String,
}

/// A database that is reached when it is first asked.
pub struct Store {
    work: Lines,
    /// Apart, so that a beat never waits for work.
    beat: Lines,
    doorbell: Option<PgPool>,
    schema: String,
    /// Whether the schema was seen to be one that this version knows.
    known: AtomicBool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

// === impl Config ===

impl Config {
    /// Of a URL; all else by default.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), schema: "skep".into(), application: "skep".into() }
    }

    /// Whether it can be understood; nothing is asked.
    ///
    /// # Errors
    /// In words, with what is known; never with a password.
    pub fn check(&self) -> Result<(), Error> {
        self.read().map(drop)
    }

    /// What it means.
    pub(crate) fn read(&self) -> Result<(Address, String), Error> {
        let address = Address::read(&self.url)?;
        let schema = address.schema.clone().map_or_else(|| address::schema(&self.schema), Ok)?;
        Ok((address, schema))
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (schema, application) = (&self.schema, &self.application);
        f.debug_struct("Config")
            .field("schema", schema)
            .field("application", application)
            .finish_non_exhaustive()
    }
}

// === impl Store ===

impl Store {
    /// Opens nothing yet: the server may be down.
    ///
    /// # Errors
    /// When the URL is wrong.
    pub fn new(config: &Config, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self, Error> {
        let (address, schema) = config.read()?;
        let doorbell = match (&address.listen, address.pooled) {
            (Some(listen), _) => Some(bell(listen, &config.application)),
            (None, true) => None,
            (None, false) => Some(bell(&address, &config.application)),
        };
        let work = Lines::new(address.clone(), &config.application, WORK);
        let beat = Lines::new(address, &config.application, 1);
        Ok(Self { work, beat, doorbell, schema, known: AtomicBool::new(false), clock, random })
    }

    /// Runs one statement in a transaction of its own. It says `skep.` before every name of skep's, and it may
    /// be run twice, since an answer may be lost.
    pub(crate) async fn call(&self, sql: &str, arguments: PgArguments) -> Result<Vec<PgRow>, Error> {
        self.on(&self.work, sql, arguments).await
    }

    /// The same on the heartbeat's own connection.
    pub(crate) async fn call_beat(&self, sql: &str, arguments: PgArguments) -> Result<Vec<PgRow>, Error> {
        self.on(&self.beat, sql, arguments).await
    }

    /// Whether both kinds of connection work, and the schema is one that this version knows.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        self.check(&self.work).await?;
        self.ready_beat().await
    }

    pub(crate) async fn ready_beat(&self) -> Result<(), Error> {
        self.check(&self.beat).await
    }

    /// Where LISTEN works; none behind a pooler, unless the URL says `listen=`.
    pub(crate) fn doorbell(&self) -> Option<&PgPool> {
        self.doorbell.as_ref().filter(|_| !self.is_pooled() || self.listens_apart())
    }

    /// Whether claims wait for the disk.
    pub(crate) fn durable_claims(&self) -> bool {
        self.work.address().durable_claims
    }

    /// Whether a pooler in transaction mode is in between.
    pub(crate) fn is_pooled(&self) -> bool {
        self.work.pooled() || self.beat.pooled()
    }

    /// A text of SQL, for the schema in which this queue lies.
    pub(crate) fn placed(&self, sql: &str) -> String {
        schema::placed(sql, &self.schema)
    }

    fn listens_apart(&self) -> bool {
        self.work.address().listen.is_some()
    }

    async fn on(&self, lines: &Lines, sql: &str, arguments: PgArguments) -> Result<Vec<PgRow>, Error> {
        if !self.known.load(Ordering::Relaxed) {
            self.check(lines).await?;
        }
        let called = lines.call(&self.placed(sql), arguments).await;
        if matches!(called, Err(Error::Unfit(_))) {
            // Whatever is to be done about it may bring another schema.
            self.known.store(false, Ordering::Relaxed);
        }
        called
    }

    /// Whether this version can work with what is there.
    async fn check(&self, lines: &Lines) -> Result<(), Error> {
        let sql = self.placed("select skep.schema_version()");
        let rows = lines.call(&sql, PgArguments::default()).await?;
        let version = rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(0);
        schema::usable(version, &self.schema)?;
        self.known.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// One connection for notices, made when somebody listens.
fn bell(address: &Address, application: &str) -> PgPool {
    // A password file is read only once here: whoever does not hear the doorbell has the poll.
    let options = address.ready(application, false).unwrap_or_else(|_| address.options.clone());
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(address.connect_timeout);
    pool.idle_timeout(None).max_lifetime(None).connect_lazy_with(options)
}
