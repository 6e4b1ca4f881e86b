//! A link that is lost a thousand times leaves nothing behind. In a process of its own, whose descriptors and
//! threads nobody else opens.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::{sync::Arc, time::Duration};

use fixture::fake::{self, Manners};
use skep_manager::{
    Manager,
    client::{Event, Place},
};
use skep_queue::clock::{SystemClock, SystemRandom};
use tokio::runtime::Handle;

const LINKS: usize = 1_000;

/// Descriptors, threads and tasks of this process.
fn held() -> (usize, usize, usize) {
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    (count("fd"), count("task"), Handle::current().metrics().num_alive_tasks())
}

/// Waits until the link is back so often.
async fn links(manager: &Manager, wanted: usize) {
    let mut events = manager.events();
    let mut seen = 0;
    while seen < wanted {
        // Each answer is the last of its link.
        let asked = tokio::time::timeout(Duration::from_secs(5), async {
            manager.ready().await;
            manager.ping().await.is_ok()
        });
        asked.await.expect("the link comes back");
        while let Ok(event) = events.try_recv() {
            seen += usize::from(matches!(event, Event::Ready { .. }));
        }
    }
}

#[tokio::test]
async fn a_thousand_lost_links_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("skep.sock");
    fake::start(&path, Manners::Answers(1));
    let manager = Manager::new(vec![Place::Unix(path)], Arc::new(SystemClock), Arc::new(SystemRandom));
    links(&manager, 50).await;
    let before = held();
    links(&manager, LINKS).await;
    let mut after = held();
    // The last links may be on their way out.
    for _ in 0..500 {
        if after.0 <= before.0 + 2 && after.2 <= before.2 + 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        after = held();
    }
    eprintln!("descriptors, threads, tasks: {before:?} after 50 links, {after:?} after {LINKS} more");
    assert!(
        after.0 <= before.0 + 2 && after.1 == before.1 && after.2 <= before.2 + 4,
        "{before:?} {after:?}"
    );
    drop(manager);
    for _ in 0..500 {
        if Handle::current().metrics().num_alive_tasks() <= 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("tasks are left of a client that is gone: {:?}", held());
}
