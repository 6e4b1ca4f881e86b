//! What the server spends: its log, its dead rows, its processor time.

mod cpu;
mod pgbench;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use skep_queue::{
    Clock, Meter, Random, Result,
    meter::{Reading, Yardstick},
};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, Row, postgres::PgArguments};
use tokio::sync::OnceCell;

use crate::{
    error::Error,
    store::{Config, Store},
};

/// What tells the meter's own connection from the queue's.
const APPLICATION: &str = "skep meter";
/// How often, and for how long apart, to look whether the queue's connections are closed.
const LOOKS: u32 = 100;
const LOOK: Duration = Duration::from_millis(20);

/// Whoever is connected counts what he did for himself, and tells it when he leaves.
const OTHERS: &str = "select count(*) from pg_stat_activity where datname = current_database() \
     and backend_type = 'client backend' and application_name like 'skep%' and application_name <> 'skep meter'";

/// A row that is updated or deleted leaves one dead version behind; so does each piece of a large value. Those
/// that the next visitor of the page cleans up are counted too: that is work as well.
const COUNTERS: &str = "with own as (\
       select c.oid, c.reltoastrelid from pg_class c where c.relkind = 'r' \
       and c.relnamespace = (select relnamespace from pg_class where oid = 'skep.tasks'::regclass)) \
     select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint, \
       (select coalesce(sum(s.n_tup_upd + s.n_tup_del), 0)::bigint from pg_stat_all_tables s \
        where s.relid in (select oid from own union all select reltoastrelid from own)), \
       (select s.xact_commit from pg_stat_database s where s.datname = current_database())";
const WHERE: &str = "select pg_backend_pid(), \
     coalesce(inet_server_addr() <<= '127.0.0.0/8' or inet_server_addr() = '::1', true)";

const SETTINGS: &str = "select 'PostgreSQL ' || current_setting('server_version') || ', ' || \
       string_agg(name || ' = ' || current_setting(name), ', ' order by name) from pg_settings where name in \
       ('fsync', 'synchronous_commit', 'shared_buffers', 'max_wal_size', 'full_page_writes', 'wal_level')";

/// A meter of the server behind a queue.
pub struct PgMeter {
    config: Config,
    store: Store,
    /// The server's first process, if it runs on this machine.
    postmaster: OnceCell<Option<String>>,
}

impl PgMeter {
    /// Connects when it is first asked.
    ///
    /// # Errors
    /// When the URL is wrong.
    pub fn new(config: &Config, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self, Error> {
        let config = Config { application: APPLICATION.into(), ..config.clone() };
        let store = Store::new(&config, clock, random)?;
        Ok(Self { config, store, postmaster: OnceCell::new() })
    }

    async fn counters(&self) -> Result<Reading, Error> {
        for _ in 0..LOOKS {
            let rows = self.store.call(OTHERS, PgArguments::default()).await?;
            if rows.first().map(|row| row.try_get::<i64, _>(0)).transpose()?.unwrap_or(0) == 0 {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        let rows = self.store.call(COUNTERS, PgArguments::default()).await?;
        let row = rows.first().ok_or_else(|| Error::Corrupt("no counters".into()))?;
        let count = |column: usize| row.try_get::<i64, _>(column).map(|n| n.max(0).cast_unsigned());
        let cpu = self.used().await?;
        Ok(Reading { wal_bytes: count(0)?, dead_rows: count(1)?, commits: count(2)?, cpu })
    }

    async fn used(&self) -> Result<Option<Duration>, Error> {
        let find = async || {
            let rows = self.store.call(WHERE, PgArguments::default()).await?;
            let row = rows.first().ok_or_else(|| Error::Corrupt("no process".into()))?;
            let is_here: bool = row.try_get(1)?;
            Ok::<_, Error>(if is_here { cpu::postmaster(row.try_get(0)?) } else { None })
        };
        let postmaster = self.postmaster.get_or_try_init(find).await?;
        Ok(postmaster.as_deref().and_then(cpu::of_server))
    }

    /// A connection apart from all others.
    async fn connect(&self) -> Result<PgConnection, Error> {
        let (address, _) = self.config.read()?;
        Ok(address.ready(APPLICATION, address.pooled)?.connect().await?)
    }
}

#[async_trait]
impl Meter for PgMeter {
    async fn read(&self) -> Result<Reading> {
        Ok(self.counters().await?)
    }

    async fn cpu(&self) -> Result<Option<Duration>> {
        Ok(self.used().await?)
    }

    async fn snapshot(&self) -> Result<Box<dyn Send>> {
        let mut connection = self.connect().await?;
        let begin = self.store.placed(
            "begin isolation level repeatable read; select 1 from (select from skep.tasks limit 1) t",
        );
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut connection).await.map_err(Error::from)?;
        Ok(Box::new(connection))
    }

    async fn yardstick(&self, clients: usize, seconds: u32) -> Result<Option<Yardstick>> {
        let (address, _) = self.config.read()?;
        let mut connection = self.connect().await?;
        Ok(pgbench::run(&address.options, &mut connection, clients, seconds).await?)
    }

    async fn settings(&self) -> Result<String> {
        let rows = self.store.call(SETTINGS, PgArguments::default()).await?;
        let text = rows.first().map(|row| row.try_get(0)).transpose().map_err(Error::from)?;
        Ok(text.unwrap_or_default())
    }
}
