//! What holds when nobody says anything: each value is taken from the code that uses it.

use super::{
    raw::{
        BackoffTable, DroneTable, File, LocalTable, LogTable, Processes, QueueTable, Size, SpoolTable, Time,
        WorkerTable,
    },
    source::Origin,
    tree::{Node, Table},
};
use crate::{
    builder::DEFAULT_PREFETCH,
    drone::Life,
    local,
    log::{DEFAULT_LEVEL, Format},
    policy::Policy,
    spool::Bounds,
    worker::{Launch, process},
};

/// Every default that does not depend on the machine. The worker's stand under `workers.defaults`.
#[must_use]
pub fn defaults() -> File {
    let (life, local, bounds) = (Life::default(), local::Config::default(), Bounds::default());
    File {
        drone: DroneTable {
            name: None,
            ttl: Some(Time(life.ttl)),
            beat: Some(Time(life.beat)),
            grace: Some(Time(life.grace)),
            parting: Some(Time(life.parting)),
        },
        local: LocalTable {
            path: None,
            durability: Some(local.durability),
            max_hold: Some(Time(local.max_hold)),
            ballast: Some(Size(local.ballast)),
            allow_network: Some(local.allow_network),
        },
        spool: SpoolTable { path: None, max_tasks: Some(bounds.tasks), max_bytes: Some(Size(bounds.bytes)) },
        log: LogTable { level: Some(DEFAULT_LEVEL.into()), format: Some(Format::default()), file: None },
        workers: [("defaults".to_owned(), worker())].into(),
        ..File::default()
    }
}

/// The defaults of one queue.
pub(super) fn queue() -> QueueTable {
    QueueTable { name: Some(skep_queue::QueueName::default().to_string()), ..QueueTable::default() }
}

fn worker() -> WorkerTable {
    let (process, policy, launch) = (process::Config::default(), Policy::default(), Launch::default());
    WorkerTable {
        prefix: Some(String::new()),
        processes: Some(Processes::Fixed(process.processes)),
        kill_after: Some(Time(process.kill_after)),
        start_timeout: Some(Time(process.start_timeout)),
        max_attempts: Some(policy.max_attempts),
        backoff: Some(BackoffTable {
            base: Some(Time(policy.backoff.base)),
            power: Some(policy.backoff.power),
            max: Some(Time(policy.backoff.max)),
        }),
        poison_after: Some(policy.poison_after),
        on_lease_lost: Some(policy.on_lease_lost),
        prefetch: Some(DEFAULT_PREFETCH),
        concurrency: Some(process.concurrency),
        no_new_privileges: Some(launch.no_new_privileges),
        ..WorkerTable::default()
    }
}

/// A table as a tree that nobody has said.
pub(super) fn tree(table: &impl serde::Serialize) -> Node {
    match toml::Value::try_from(table) {
        Ok(value) => Node::plain(value, &Origin::Default),
        // It cannot happen to our own tables, and a test holds it.
        Err(_) => Node::new(Origin::Default, super::tree::Value::Table(Table::new())),
    }
}
