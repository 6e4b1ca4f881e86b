//! Rates of the embedded queue, durable, with payloads of 100 bytes: `cargo bench -p skep-sqlite`.

#![expect(clippy::print_stdout, reason = "it prints a table")]
#![expect(clippy::disallowed_methods, reason = "a stopwatch is what it is")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use skep_queue::{
    Block, BlockId, ClaimId, Claimed, Clock, Demand, Ending, Incarnation, Outcome, Pump, Queue, QueueName,
    Random, Settlement, Submission,
    block::pack,
    clock::{SystemClock, SystemRandom},
};
use skep_sqlite::{Error, Options, SqliteQueue};

const TYPE: &str = "bench";
const PAYLOAD: usize = 100;

struct Bench {
    queue: SqliteQueue,
    drone: Incarnation,
    total: usize,
}

impl Bench {
    fn new(folder: &std::path::Path, total: usize) -> Result<Self, Error> {
        let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) =
            (Arc::new(SystemClock), Arc::new(SystemRandom));
        let path = folder.join(format!("{}.db", BlockId::new(&*clock, &*random)));
        let queue = SqliteQueue::open(path, Options::default(), clock, random)?;
        Ok(Self { queue, drone: Incarnation::new(&SystemRandom), total })
    }

    /// Submits everything in calls of so many tasks, packed in blocks of so many.
    async fn submit(&self, call: usize, block: usize) -> skep_queue::Result<Duration> {
        let like = Block::one(kind(), "", &SystemClock, &SystemRandom);
        let payload = format!("\"{}\"", "x".repeat(PAYLOAD - 2));
        let calls: Vec<Vec<Block>> = (0..self.total / call)
            .map(|_| {
                let blocks = (0..call / block).flat_map(|_| {
                    pack(&like, &vec![&payload; block], || BlockId::new(&SystemClock, &SystemRandom))
                });
                blocks.collect()
            })
            .collect();
        let start = Instant::now();
        for blocks in calls {
            self.queue.submit(Submission::whole(blocks)).await?;
        }
        Ok(start.elapsed())
    }

    /// Claims and completes everything in claims of so many tasks; answers the time of the pumps and of all.
    async fn cycle(&self, room: usize) -> skep_queue::Result<(Duration, Duration)> {
        let (start, mut pumping, mut seen) = (Instant::now(), Duration::ZERO, 0);
        while seen < self.total {
            let before = Instant::now();
            let claim = ClaimId::new(&SystemRandom);
            let demands = vec![Demand { task_type: kind(), room }];
            let pump = Pump { drone: self.drone, claim, queue: QueueName::default(), demands };
            let claimed = self.queue.pump(pump).await?;
            pumping += before.elapsed();
            seen += claimed.iter().map(|row| row.live.len()).sum::<usize>();
            self.queue.settle(claimed.iter().map(complete).collect()).await?;
        }
        Ok((pumping, start.elapsed()))
    }
}

fn complete(row: &Claimed) -> Settlement {
    let endings = vec![Ending { members: row.live, outcome: Outcome::done() }];
    Settlement { claim: row.claim, block: row.block, endings }
}

fn kind() -> skep_queue::TaskType {
    TYPE.parse().unwrap_or_else(|_| unreachable!())
}

fn report(what: &str, tasks: usize, took: Duration) {
    let rate = tasks as f64 / took.as_secs_f64();
    println!("{what:<46} {rate:>12.0} tasks/s  {:>8.2} us/task", 1e6 / rate);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir_in(std::env::var_os("SKEP_BENCH_DIR").unwrap_or_else(|| "target".into()))?;
    for call in [4096, 16384] {
        let bench = Bench::new(folder.path(), 64 * 16384)?;
        report(
            &format!("submit, blocks of 128, calls of {call}"),
            bench.total,
            bench.submit(call, 128).await?,
        );
        let (pumping, all) = bench.cycle(2000).await?;
        report("  pump, claims of 2000", bench.total, pumping);
        report("  settle", bench.total, all.saturating_sub(pumping));
        report("  pump + settle", bench.total, all);
        bench.queue.close().await;
    }
    let bench = Bench::new(folder.path(), 128 * 1024)?;
    report("submit, blocks of 1, calls of 1024", bench.total, bench.submit(1024, 1).await?);
    let (pumping, all) = bench.cycle(1024).await?;
    report("  pump, claims of 1024", bench.total, pumping);
    report("  pump + settle", bench.total, all);
    bench.queue.close().await;
    let bench = Bench::new(folder.path(), 2048)?;
    report("submit, one task a call", bench.total, bench.submit(1, 1).await?);
    report("  pump + settle, one task a call", bench.total, bench.cycle(1).await?.1);
    bench.queue.close().await;
    Ok(())
}
