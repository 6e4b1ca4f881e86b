//! An empty queue on a file of its own, for the suite.

use std::{path::PathBuf, sync::Arc};

use skep_queue::{
    Backend,
    testing::{Bench, TestClock, TestRandom, bench::Opening},
};
use skep_sqlite::{Options, SqliteQueue};

pub fn open(path: PathBuf, clock: &Arc<TestClock>) -> Arc<dyn Backend> {
    let (clock, random) = (Arc::clone(clock) as _, TestRandom::new(7));
    Arc::new(SqliteQueue::open(path, Options::default(), clock, random).expect("a file opens"))
}

/// An empty queue in a folder of its own.
pub fn fresh() -> Bench {
    fresh_at(TestClock::new())
}

/// The same, living by this clock.
pub fn fresh_at(clock: Arc<TestClock>) -> Bench {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("queue.db");
    let again = (path.clone(), Arc::clone(&clock));
    let reopen = move || -> Opening {
        let (path, clock) = again.clone();
        Box::pin(async move { open(path, &clock) })
    };
    Bench::new(open(path, &clock), clock).reopening(reopen).keeping(folder)
}
