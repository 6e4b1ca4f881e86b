//! From a URL to a queue, for whatever takes part in a test.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use skep_drone::backend::Backends;
use skep_postgres::{Config, PgQueue};
use skep_queue::{
    Backend,
    clock::{SystemClock, SystemRandom},
};

/// Opens the queue of a URL: `sqlite:PATH` or `postgres://..`, which may be down.
///
/// # Errors
/// In words.
pub async fn open(url: &str) -> Result<Arc<dyn Backend>, String> {
    Backends::builtin().with("postgres", |url| Box::pin(async move { postgres(url) })).open(url).await
}

fn postgres(url: String) -> Result<Arc<dyn Backend>, String> {
    let config = Config { url, schema: "skep".to_owned(), application: "skep test".to_owned() };
    let queue = PgQueue::new(&config, Arc::new(SystemClock), Arc::new(SystemRandom));
    queue.map(|queue| Arc::new(queue) as Arc<dyn Backend>).map_err(|error| error.to_string())
}

/// The URL of a queue in a file.
#[must_use]
pub fn sqlite(file: &Path) -> String {
    format!("sqlite:{}", file.display())
}

/// The file of a queue that lies in one.
#[must_use]
pub fn file(url: &str) -> Option<PathBuf> {
    url.strip_prefix("sqlite:").map(PathBuf::from)
}
