//! What ends a drone that cannot go on: a person, or the next start, must look.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why the drone must stop, if it must.
#[derive(Clone, Default)]
pub(crate) struct Fatal {
    why: Arc<OnceLock<String>>,
    /// Cancelled with the first reason.
    pub(crate) token: CancellationToken,
}

impl Fatal {
    /// Stops the drone; the first reason stays.
    pub(crate) fn stop(&self, why: String) {
        let _ = self.why.set(why);
        self.token.cancel();
    }

    /// Why it had to stop, if it had to.
    pub(crate) fn why(&self) -> Option<&String> {
        self.why.get()
    }
}
