//! From a URL to a queue, for whatever takes part in a test.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use skep_drone::backend::Backends;
use skep_queue::Backend;

/// Opens the queue of a URL: `sqlite:PATH`, or `postgres://..`, which may be down.
///
/// # Errors
/// In words.
pub async fn open(url: &str) -> Result<Arc<dyn Backend>, String> {
    Backends::builtin().open(url).await
}

/// The same for a manager, which stands between it and drones.
///
/// # Errors
/// In words.
pub async fn open_for_manager(url: &str) -> Result<Arc<dyn Backend>, String> {
    Backends::builtin().open_for_manager(url).await
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
