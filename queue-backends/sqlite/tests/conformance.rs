//! The suite of the contract, on a SQLite file.

use std::{path::PathBuf, sync::Arc};

use skep_queue::{
    Backend,
    testing::{Bench, TestClock, TestRandom, bench::Opening},
};
use skep_sqlite::{Options, SqliteQueue};

fn open(path: PathBuf, clock: &Arc<TestClock>) -> Arc<dyn Backend> {
    let (clock, random) = (Arc::clone(clock) as _, TestRandom::new(7));
    Arc::new(SqliteQueue::open(path, Options::default(), clock, random).expect("a new file opens"))
}

/// An empty queue in a folder of its own.
fn fresh() -> Bench {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, clock) = (folder.path().join("queue.db"), TestClock::new());
    let again = (path.clone(), Arc::clone(&clock));
    let reopen = move || -> Opening {
        let (path, clock) = again.clone();
        Box::pin(async move { open(path, &clock) })
    };
    Bench::new(open(path, &clock), clock).reopening(reopen).keeping(folder)
}

skep_queue::conformance!(fresh());
