//! From a URL to a backend: the only file that names all backends. A program with a backend of its own
//! registers it by its scheme, in one line of its `main`, and has the whole command.

use std::{collections::BTreeMap, path::Path, pin::Pin, sync::Arc};

use skep_queue::{
    Backend,
    clock::{SystemClock, SystemRandom},
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
    /// Those that come with skep: `sqlite:PATH`.
    #[must_use]
    pub fn builtin() -> Self {
        Self::default().with("sqlite", |url| Box::pin(async move { sqlite(&url).await }))
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

    /// Whether the URL names a backend that is known here.
    ///
    /// # Errors
    /// In words, with what is known.
    pub fn check(&self, url: &str) -> Result<(), String> {
        self.opener(url).map(drop)
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
