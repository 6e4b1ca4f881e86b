//! From a URL to a backend: the only file that names all backends. A program with a backend of its own
//! registers it by its scheme, in one line of its `main`, and has the whole command.

use std::{collections::BTreeMap, path::Path, pin::Pin, sync::Arc};

/// For what serves one, and for what talks to one beyond the seam.
pub(crate) use skep_manager as manager;
use skep_manager::{Manager, client::Address};
use skep_postgres::operate;
use skep_queue::{
    Backend, Clock, Meter,
    clock::{SystemClock, SystemRandom},
    health::Finding,
};
use skep_sqlite::Error as DbError;

use later::{Closed, Later};

mod later;

/// Opens a backend by its URL. The error is for people, and for what no waiting heals: a backend that is
/// merely out of reach opens, and answers `Unavailable` to each call.
pub type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn Backend>, String>> + Send>>;
type Opener = Arc<dyn Fn(String) -> Opening + Send + Sync>;

/// The backends that a program knows, by scheme.
#[derive(Clone, Default)]
pub struct Backends {
    openers: BTreeMap<String, Opener>,
}

impl Backends {
    /// Those that come with skep: `sqlite:PATH`; `postgres://..`, which is also `postgresql://..`; and managers,
    /// `unix:PATH` and `skep://HOST..`.
    #[must_use]
    pub fn builtin() -> Self {
        let postgres = |url: String| -> Opening { Box::pin(async move { postgres(&url) }) };
        let sqlite = |url: String| -> Opening { Box::pin(async move { sqlite(&url).await }) };
        let manager = |url: String| -> Opening { Box::pin(async move { manager(&url) }) };
        let own = Self::default().with("sqlite", sqlite).with("unix", manager).with("skep", manager);
        own.with("postgres", postgres).with("postgresql", postgres)
    }

    /// With another one. The opener gets the whole URL.
    #[must_use]
    pub fn with(mut self, scheme: &str, open: impl Fn(String) -> Opening + Send + Sync + 'static) -> Self {
        self.openers.insert(scheme.to_owned(), Arc::new(open));
        self
    }

    /// Opens the backend of a URL.
    ///
    /// # Errors
    /// In words: an unknown scheme, or what the backend says.
    pub async fn open(&self, url: &str) -> Result<Arc<dyn Backend>, String> {
        self.opener(url)?(url.to_owned()).await
    }

    /// Opens it for a drone of this name, which a server that shows who is connected shows.
    ///
    /// # Errors
    /// As [`Backends::open`].
    pub async fn open_for(&self, url: &str, drone: &str) -> Result<Arc<dyn Backend>, String> {
        if !is_postgres(url) || url.contains("application_name=") {
            return self.open(url).await;
        }
        // PostgreSQL shows 63 bytes of ASCII.
        let shown = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let name: String = drone.chars().map(shown).take(58).collect();
        self.open(&with_parameter(url, "application_name", &format!("skep%20{name}"))).await
    }

    /// Opens it for a manager. Its drones outlive the process, which therefore is not the one to remember what a
    /// server may forget: their claims wait for the server's disk.
    ///
    /// # Errors
    /// As [`Backends::open`].
    pub async fn open_for_manager(&self, url: &str) -> Result<Arc<dyn Backend>, String> {
        if !is_postgres(url) {
            return self.open(url).await;
        }
        self.open_for(&with_parameter(url, "claims", "durable"), "manager").await
    }

    /// Whether the URL names a backend that is known here.
    ///
    /// # Errors
    /// In words, with what is known.
    pub fn check(&self, url: &str) -> Result<(), String> {
        self.opener(url)?;
        if is_postgres(url) {
            skep_postgres::Config::new(url).check().map_err(|e| e.to_string())
        } else if is_manager(url) {
            Address::parse(url).and_then(|address| address.places()).map(drop).map_err(|e| e.to_string())
        } else {
            Ok(())
        }
    }

    /// What reads the server's counters, where there is a server that has some.
    ///
    /// # Errors
    /// In words: a wrong URL.
    pub fn meter(&self, url: &str) -> Result<Option<Arc<dyn Meter>>, String> {
        if !is_postgres(url) {
            return Ok(None);
        }
        let config = skep_postgres::Config::new(url);
        let meter = skep_postgres::PgMeter::new(&config, Arc::new(SystemClock), Arc::new(SystemRandom));
        meter.map(|meter| Some(Arc::new(meter) as _)).map_err(|error| error.to_string())
    }

    /// The manager of a URL, for what it can beyond the seam: its own connection. None when it names no manager.
    ///
    /// # Errors
    /// In words: a wrong URL, or no key.
    pub fn manager(&self, url: &str) -> Result<Option<Arc<Manager>>, String> {
        if !is_manager(url) {
            return Ok(None);
        }
        self.opener(url)?;
        let manager = Manager::open(url, Arc::new(SystemClock), Arc::new(SystemRandom));
        manager.map(|manager| Some(Arc::new(manager))).map_err(|error| error.to_string())
    }

    fn opener(&self, url: &str) -> Result<&Opener, String> {
        let known = || self.openers.keys().map(|scheme| format!("{scheme}:")).collect::<Vec<_>>().join(", ");
        let Some((scheme, _)) = url.split_once(':') else {
            return Err(format!(
                "{url:?} is not a backend: write a scheme first ({}), as in sqlite:./skep.db",
                known()
            ));
        };
        self.openers.get(scheme).ok_or_else(|| format!("no backend {scheme:?} here: known are {}", known()))
    }
}

/// What whoever runs a server asks of its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    /// Bring it to what this version wants.
    Up,
    /// The SQL that would do it.
    Plan,
}

/// The schema of a URL's server, as this version compares it.
pub(crate) use skep_postgres::schema::Status as SchemaStatus;

/// Sets the schema up, or says how: the parts that were put there, or the SQL.
///
/// # Errors
/// In words; the flag says whether the server was not reached.
pub(crate) async fn schema(url: &str, what: Schema) -> Result<Vec<String>, (String, bool)> {
    let config = server(url)?;
    let done = match what {
        Schema::Up => operate::up(&config).await,
        Schema::Plan => operate::plan(&config).await.map(|sql| vec![sql]),
    };
    done.map_err(told)
}

/// How the schema of a URL stands.
///
/// # Errors
/// As [`schema`].
pub(crate) async fn schema_status(url: &str) -> Result<SchemaStatus, (String, bool)> {
    operate::status(&server(url)?).await.map_err(told)
}

/// What may be wrong with a backend; none when nobody knows how to look.
///
/// # Errors
/// As [`schema`].
pub(crate) async fn doctor(url: &str, clock: &dyn Clock) -> Result<Option<Vec<Finding>>, (String, bool)> {
    if let Some(path) = sqlite_path(url) {
        let found = skep_sqlite::doctor::look(Path::new(path));
        return found.map(Some).map_err(|error| (error.to_string(), true));
    }
    if !is_postgres(url) {
        return Ok(None);
    }
    operate::doctor(&server(url)?, clock).await.map(Some).map_err(told)
}

fn server(url: &str) -> Result<skep_postgres::Config, (String, bool)> {
    if is_postgres(url) {
        Ok(skep_postgres::Config::new(url))
    } else {
        Err(("only a postgres: backend has a schema to set up: name it with --backend".into(), false))
    }
}

fn told(error: skep_postgres::Error) -> (String, bool) {
    let unreachable = matches!(error, skep_postgres::Error::Unreachable(_));
    (error.to_string(), unreachable)
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

fn is_manager(url: &str) -> bool {
    url.starts_with("unix:") || url.starts_with("skep:")
}

/// A URL with one parameter more, which is encoded already.
pub(crate) fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{name}={value}")
}

/// The file that opening the URL would make, since it is not there.
pub(crate) fn absent_file(url: &str) -> Option<&Path> {
    let path = sqlite_path(url)?;
    (!path.is_empty() && !Path::new(path).exists()).then(|| Path::new(path))
}

fn sqlite_path(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite:")?;
    Some(path.strip_prefix("//").unwrap_or(path))
}

async fn sqlite(url: &str) -> Result<Arc<dyn Backend>, String> {
    let path = sqlite_path(url).unwrap_or_default().to_owned();
    if path.is_empty() {
        return Err(format!("{url:?} names no file: write sqlite:PATH, as in sqlite:./skep.db"));
    }
    let open = move || {
        let options = skep_sqlite::Options::default();
        let queue =
            skep_sqlite::SqliteQueue::open(&path, options, Arc::new(SystemClock), Arc::new(SystemRandom));
        queue.map(|queue| Arc::new(queue) as Arc<dyn Backend>).map_err(|error| closed(&path, &error))
    };
    Later::open(Arc::new(open)).await
}

/// A disk that is full, or not there yet, and a file that somebody has just now: it may open later.
fn closed(path: &str, error: &DbError) -> Closed {
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
    let away = match error {
        DbError::InUse { .. } | DbError::Full(_) | DbError::Io(_) | DbError::Busy(_) => true,
        DbError::Place { .. } => folder.is_some_and(|folder| !folder.exists()),
        _ => false,
    };
    if away { Closed::Away(error.to_string()) } else { Closed::Wrong(error.to_string()) }
}

/// It need not be reached now: only a wrong URL, and a key that cannot be read, are errors.
fn manager(url: &str) -> Result<Arc<dyn Backend>, String> {
    let manager = Manager::open(url, Arc::new(SystemClock), Arc::new(SystemRandom));
    manager
        .map(|manager| Arc::new(manager.announcing()) as Arc<dyn Backend>)
        .map_err(|error| error.to_string())
}

/// It need not be reached now: only a wrong URL is an error.
fn postgres(url: &str) -> Result<Arc<dyn Backend>, String> {
    let config = skep_postgres::Config::new(url);
    let queue = skep_postgres::PgQueue::new(&config, Arc::new(SystemClock), Arc::new(SystemRandom));
    queue.map(|queue| Arc::new(queue) as Arc<dyn Backend>).map_err(|error| error.to_string())
}
