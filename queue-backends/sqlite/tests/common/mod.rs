//! An empty queue on a file of its own, for the suite.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses some of it")]

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

/// The file is whole, by SQLite's own word, and its counts are true.
pub fn assert_sound(path: &std::path::Path) {
    let db = skep_sqlite::Connection::open(path).expect("it opens");
    let text = |sql: &str| db.query_row(sql, [], |row| row.get::<_, String>(0)).expect("it answers");
    assert_eq!(text("pragma integrity_check"), "ok");
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("it answers");
    let alive = count("select coalesce(sum(n), 0) from parts");
    assert_eq!(alive, count("select coalesce(sum(depth), 0) from queues"), "by queue");
    assert_eq!(alive, count("select coalesce(sum(depth), 0) from lanes"), "by lane");
    let orphans = "select count(*) from bodies where block not in (select id from blocks)";
    assert_eq!(count(orphans), 0, "bodies without a block");
    let unused = "select count(*) from blocks where id not in (select block from parts) \
                  and id not in (select block from finished)";
    assert_eq!(count(unused), 0, "blocks that nobody needs");
}
