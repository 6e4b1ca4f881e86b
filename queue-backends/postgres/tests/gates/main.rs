//! What a task may cost the server, in figures that do not depend on how fast the machine is, or how busy. Each
//! gate is shown to fail on a queue that was made worse on purpose.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "all of it is a test")]

mod plans;
mod rig;
mod snapshot;

use skep_queue::meter::Reading;

use rig::{Rig, cost, run};

/// Tasks of a full cycle.
const BULK: usize = 64 * 1024;
const SINGLE: usize = 8 * 1024;

struct Bars {
    wal_bytes: f64,
    dead_rows: f64,
    commits: f64,
}

/// Blocks of 128 with payloads of 100 bytes, claimed by the thousand, kept for no time.
const OF_BULK: Bars = Bars { wal_bytes: 160.0, dead_rows: 0.1, commits: 0.01 };
const OF_SINGLE: Bars = Bars { wal_bytes: 700.0, dead_rows: 2.0, commits: 0.01 };

/// What is over a bar, in words.
fn over(spent: Reading, tasks: usize, bars: &Bars) -> Vec<String> {
    let figures = [
        ("WAL bytes", spent.wal_bytes, bars.wal_bytes),
        ("dead rows", spent.dead_rows, bars.dead_rows),
        ("commits", spent.commits, bars.commits),
    ];
    let each = |spent: u64| spent as f64 / tasks as f64;
    for (name, spent, bar) in figures {
        eprintln!("{name} a task: {:.4} (bar {bar})", each(spent));
    }
    let over = figures.into_iter().filter(|(_, spent, bar)| each(*spent) > *bar);
    over.map(|(name, spent, bar)| format!("{name} a task: {:.4}, over {bar}", each(spent))).collect()
}

#[tokio::test]
async fn a_task_of_a_block_is_cheap() {
    let spent = cost(Rig::new().await, BULK, false).await;
    assert_eq!(over(spent, BULK, &OF_BULK), Vec::<String>::new());
}

#[tokio::test]
async fn a_task_alone_is_cheap() {
    let spent = cost(Rig::new().await, SINGLE, true).await;
    assert_eq!(over(spent, SINGLE, &OF_SINGLE), Vec::<String>::new());
}

/// Full pages leave a claim no room beside the row: each then writes every index anew.
#[tokio::test]
async fn claims_that_are_not_in_place_are_seen() {
    let rig = Rig::new().await;
    run(&mut rig.connection().await, "alter table skep.tasks set (fillfactor = 100)").await;
    let spent = cost(rig, SINGLE, true).await;
    assert!(over(spent, SINGLE, &OF_SINGLE).iter().any(|over| over.starts_with("WAL")));
}

#[tokio::test]
async fn a_row_a_task_is_seen_in_bulk() {
    let spent = cost(Rig::new().await, SINGLE, true).await;
    assert_eq!(over(spent, SINGLE, &OF_BULK).len(), 2, "the log and the dead rows");
}
