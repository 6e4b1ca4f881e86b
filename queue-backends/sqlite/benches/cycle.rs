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
    callers(folder.path(), 64, 64).await?;
    idle(folder.path()).await?;
    Ok(())
}

/// Many callers with one task each: what the group commit is for.
async fn callers(folder: &std::path::Path, callers: usize, each: usize) -> Result<(), Error> {
    let queue = Arc::new(Bench::new(folder, 0)?.queue);
    let start = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let queue = Arc::clone(&queue);
        running.spawn(async move {
            for _ in 0..each {
                let block = Block::one(kind(), "1", &SystemClock, &SystemRandom);
                queue.submit(Submission::whole(vec![block])).await?;
            }
            Ok::<(), skep_queue::Error>(())
        });
    }
    let failed = running.join_all().await.into_iter().filter(Result::is_err).count();
    report(&format!("submit, {callers} callers, {failed} failed"), callers * each, start.elapsed());
    Ok(())
}

/// What a drone costs that waits for work, and wakes each second to ask.
async fn idle(folder: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let bench = Bench::new(folder, 0)?;
    let cpu = || rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let micros = |time: rustix::time::Timespec| time.tv_sec * 1_000_000 + time.tv_nsec / 1000;
    let (before, start) = (micros(cpu()), Instant::now());
    let mut waits = 0;
    while start.elapsed() < Duration::from_secs(10) {
        bench.queue.arrival(&[kind()]).await;
        let demands = vec![Demand { task_type: kind(), room: 100 }];
        let claim = ClaimId::new(&SystemRandom);
        let pump = Pump { drone: bench.drone, claim, queue: QueueName::default(), demands };
        bench.queue.pump(pump).await?;
        waits += 1;
    }
    let share = (micros(cpu()) - before) as f64 / start.elapsed().as_micros() as f64 * 100.0;
    println!("idle: {waits} waits in {:.1} s, {share:.3} % of a core", start.elapsed().as_secs_f64());
    Ok(())
}
