//! The suite of the contract, on an audited SQLite file: all that a backend's author has to write.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{path::Path, sync::Arc};

use skep_audit::Audit;
use skep_queue::{
    Backend,
    testing::{Bench, TestClock, TestRandom, bench::Opening, side_by_side},
};
use skep_sqlite::{Options, SqliteQueue};

skep_queue::conformance!(crate::fresh(TestClock::new()));

/// Random histories, lost replies among them, compared with the reference model after every step.
#[test]
fn histories_are_like_the_models() {
    side_by_side(30, async |clock| fresh(clock));
}

/// An empty queue in a folder of its own, which lives by this clock and can be opened once more.
fn fresh(clock: Arc<TestClock>) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let (path, again) = (folder.path().to_owned(), Arc::clone(&clock));
    let backend = open(&path, &clock);
    let reopen = move || -> Opening { Box::pin(std::future::ready(open(&path, &again))) };
    Bench::new(backend, clock).reopening(reopen).keeping(folder)
}

fn open(folder: &Path, clock: &Arc<TestClock>) -> Arc<dyn Backend> {
    let (file, random) = (folder.join("queue.db"), TestRandom::new(7));
    let inner = SqliteQueue::open(file, Options::default(), Arc::clone(clock) as _, random).unwrap();
    Arc::new(Audit::new(Arc::new(inner), folder.join("audit.jsonl"), Arc::clone(clock) as _).unwrap())
}
