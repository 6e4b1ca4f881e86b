//! A few connections to one server, made when they are needed. Whoever asks has one alone for the call. One
//! whose answer was not awaited is closed, so that a late answer is never taken for another's.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, Connection, PgConnection, Row,
    postgres::{PgArguments, PgConnectOptions, PgDatabaseError, PgRow, PgSeverity},
};
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    address::{Address, scrubbed},
    error::{Error, met_new_day},
};

/// How often what met another transaction is tried again at once.
const AGAIN: u32 = 5;

/// Connections to a server, used in turn.
pub(crate) struct Lines {
    address: Address,
    application: String,
    free: Semaphore,
    idle: Mutex<Vec<Line>>,
    /// Whether a transaction is all that a connection is good for: a pooler is in between.
    pooled: AtomicBool,
}

struct Line {
    connection: PgConnection,
    /// What a statement may take, unless somebody has bounded it closer.
    most: Duration,
    /// The statement timeout that holds there, as the server shows it.
    limit: String,
}

/// What a failure leaves behind.
enum Failed {
    /// The connection is as good as before.
    Said(Error),
    /// It met another transaction, and may be tried again at once.
    Met(Error),
    /// The connection is none any more.
    Lost(Error),
    /// The connection may have been good once: a new one may do.
    Stale(Error),
    /// Only a pooler says so.
    Pooler(Error),
}

// === impl Lines ===

impl Lines {
    /// At most `most` connections.
    pub(crate) fn new(address: Address, application: &str, most: usize) -> Self {
        let (free, idle) = (Semaphore::new(most), Mutex::default());
        let pooled = AtomicBool::new(address.pooled);
        Self { address, application: application.to_owned(), free, idle, pooled }
    }

    /// Runs one statement in a transaction of its own. It may run twice: it is one that may. All of it, a wait
    /// for a connection and a new one included, is bounded by the address's `answer_timeout`.
    pub(crate) async fn call(&self, sql: &str, arguments: PgArguments) -> Result<Vec<PgRow>, Error> {
        let (patience, has_one) = (self.address.answer_timeout, AtomicBool::new(false));
        let called = timeout(patience, self.calls(sql, arguments, &has_one)).await.unwrap_or_else(|_| {
            let what = if has_one.into_inner() { "no answer" } else { "every connection is busy" };
            Err(Error::Unreachable(format!("{what} for {} s", patience.as_secs())))
        });
        called.map_err(|error| error.map(|text| scrubbed(&text, &self.address.secrets)))
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether a pooler was told of, or found.
    pub(crate) fn pooled(&self) -> bool {
        self.pooled.load(Ordering::Relaxed)
    }

    async fn calls(
        &self,
        sql: &str,
        arguments: PgArguments,
        has_one: &AtomicBool,
    ) -> Result<Vec<PgRow>, Error> {
        let _free = self.free.acquire().await.map_err(|error| Error::Unreachable(error.to_string()))?;
        has_one.store(true, Ordering::Relaxed);
        let mut met = 0;
        loop {
            let (kept, pooled) = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                (idle.pop(), self.pooled())
            };
            let is_new = kept.is_none();
            let mut line = match kept {
                Some(line) => line,
                None => match self.connect(pooled).await {
                    Ok(line) => line,
                    Err(Failed::Pooler(error)) if !pooled => {
                        self.found_pooler(&error);
                        continue;
                    }
                    Err(failed) => return Err(failed.into()),
                },
            };
            // Until it is put back it is this call's: whoever drops the call closes it.
            match line.run(sql, arguments.clone(), pooled).await {
                Ok(rows) => {
                    self.keep(line, pooled);
                    return Ok(rows);
                }
                Err(Failed::Said(error)) => {
                    self.keep(line, pooled);
                    return Err(error);
                }
                Err(Failed::Met(_)) if met < AGAIN => {
                    met += 1;
                    self.keep(line, pooled);
                }
                Err(Failed::Stale(_)) if !is_new => {}
                Err(Failed::Pooler(error)) if !pooled => self.found_pooler(&error),
                Err(failed) => return Err(failed.into()),
            }
        }
    }

    /// For the next call; not when a pooler was found meanwhile, since the connection knows statements by name.
    fn keep(&self, line: Line, pooled: bool) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if pooled == self.pooled() {
            idle.push(line);
        }
    }

    fn found_pooler(&self, error: &Error) {
        tracing::info!(%error, "a pooler is in between: each call is one transaction from now on");
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        self.pooled.store(true, Ordering::Relaxed);
        idle.clear();
    }

    async fn connect(&self, pooled: bool) -> Result<Line, Failed> {
        let options = self.address.ready(&self.application, pooled).map_err(Failed::Lost)?;
        let limit = statement_limit(self.address.answer_timeout);
        let made = timeout(self.address.connect_timeout, Line::make(&options, pooled, limit)).await;
        let place = |error: Error| error.map(|text| format!("{}: {text}", self.address.place()));
        match made {
            Ok(Err(failed)) => Err(failed.map(place)),
            Ok(line) => line,
            Err(_) => {
                let seconds = self.address.connect_timeout.as_secs();
                Err(Failed::Lost(place(Error::Unreachable(format!("no connection within {seconds} s")))))
            }
        }
    }
}

// === impl Line ===

impl Line {
    async fn make(options: &PgConnectOptions, pooled: bool, most: Duration) -> Result<Self, Failed> {
        let mut connection = PgConnection::connect_with(options).await.map_err(Failed::of)?;
        let mut limit = format!("{} s", most.as_secs_f64());
        if !pooled {
            sqlx::query(AssertSqlSafe(bounded(most, false)))
                .persistent(false)
                .execute(&mut connection)
                .await
                .map_err(Failed::of)?;
            let ask = sqlx::query("select current_setting('statement_timeout')").persistent(false);
            limit =
                ask.fetch_one(&mut connection).await.and_then(|row| row.try_get(0)).map_err(Failed::of)?;
        }
        Ok(Self { connection, most, limit })
    }

    async fn run(&mut self, sql: &str, arguments: PgArguments, pooled: bool) -> Result<Vec<PgRow>, Failed> {
        let connection = &mut self.connection;
        // Behind a pooler the next message may reach another server, unless a transaction is open.
        if pooled {
            let begin = format!("begin; {}", bounded(self.most, true));
            sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *connection).await.map_err(Failed::of)?;
        }
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(!pooled);
        let mut ended = query.fetch_all(&mut *connection).await;
        if pooled {
            let end = if ended.is_ok() { "commit" } else { "rollback" };
            let closed = sqlx::raw_sql(end).execute(connection).await;
            ended = ended.and_then(|rows| closed.map(|_| rows));
        }
        ended.map_err(|error| Failed::of(error).map(|error| self.explained(error)))
    }

    /// A timeout names its setting.
    fn explained(&self, error: Error) -> Error {
        error.map(|text| match text.contains("statement timeout") {
            true => format!("{text}: statement_timeout is {} for this role", self.limit),
            false => text,
        })
    }
}

/// After how long the server gives a statement up: sooner than the client, so that it is not still at work on
/// what the client has given up.
const fn statement_limit(answer_timeout: Duration) -> Duration {
    Duration::from_millis(answer_timeout.as_millis() as u64 / 4 * 3)
}

/// Bounds what a statement may take, unless somebody has bounded it closer.
fn bounded(most: Duration, local: bool) -> String {
    let most = most.as_millis();
    format!(
        "select set_config('statement_timeout', '{most}ms', {local}) \
         where current_setting('statement_timeout')::interval not between '1 ms' and '{most} ms'"
    )
}

// === impl Failed ===

impl Failed {
    fn of(error: sqlx::Error) -> Self {
        let Some(said) = error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>())
        else {
            return match error {
                sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => Self::Stale(error.into()),
                _ => Self::Lost(error.into()),
            };
        };
        let fatal = matches!(said.severity(), PgSeverity::Fatal | PgSeverity::Panic);
        let text = said.message();
        match said.code() {
            "08P01" if text.contains("unsupported startup parameter") => Self::Pooler(error.into()),
            // Prepared here, and asked for there.
            "26000" | "42P05" => Self::Pooler(error.into()),
            "0A000" if text.contains("cached plan") => Self::Stale(error.into()),
            "40001" | "40P01" => Self::Met(error.into()),
            code if met_new_day(code, text) => Self::Met(error.into()),
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "08P01" => Self::Stale(error.into()),
            _ if fatal => Self::Lost(error.into()),
            _ => Self::Said(error.into()),
        }
    }

    fn map(self, change: impl FnOnce(Error) -> Error) -> Self {
        match self {
            Self::Said(error) => Self::Said(change(error)),
            Self::Met(error) => Self::Met(change(error)),
            Self::Lost(error) => Self::Lost(change(error)),
            Self::Stale(error) => Self::Stale(change(error)),
            Self::Pooler(error) => Self::Pooler(change(error)),
        }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Said(error)
            | Failed::Met(error)
            | Failed::Lost(error)
            | Failed::Stale(error)
            | Failed::Pooler(error) => error,
        }
    }
}
