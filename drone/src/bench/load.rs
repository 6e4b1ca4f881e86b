//! The bulk workloads: submit, and drain through a whole drone.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use serde::Deserialize;
use skep_queue::{Backend, Block, BlockId, Error, Submission, Submitted, block};

use super::{Bench, Figure, latency::cpu_time, list::List, queue, refused, task_type, watched::Watched};
use crate::{Context, Drone, HandlerError, Life, Settings, Stopper, backend::Opening};

/// Tasks in one bulk call.
const CALL: usize = 8192;
/// Most tasks of a workload that goes one by one, where each waits for the disk.
const SINGLES: usize = 2000;

const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

/// What a no-op task carries: its number, and padding.
#[derive(Debug, Deserialize)]
pub struct Load {
    /// From 0.
    pub n: usize,
}

impl Load {
    /// A payload of `bytes` bytes, of which no two are so alike that a store could press them together.
    #[must_use]
    pub fn payload(n: usize, bytes: usize) -> String {
        let head = format!("{{\"n\":{n},\"pad\":\"");
        let mut state = (n as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let letter = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(LETTERS[(state >> 40) as usize % LETTERS.len()])
        };
        let pad: String = (0..bytes.saturating_sub(head.len() + 2)).map(letter).collect();
        format!("{head}{pad}\"}}")
    }
}

impl Bench {
    pub(super) fn fsync(&self) -> Result<Figure, Error> {
        let mut file = tempfile::tempfile_in(&self.config.folder).map_err(refused)?;
        let (page, count, begun) = ([0u8; 4096], 500, self.clock.elapsed());
        for _ in 0..count {
            file.write_all(&page).and_then(|()| file.sync_data()).map_err(refused)?;
        }
        let time = self.clock.elapsed() - begun;
        let each = time.as_secs_f64() * 1000.0 / f64::from(count);
        Ok(self.figure("fsync", count as usize, time).with("ms", each))
    }

    /// So many connections, each of which submits one task after the other.
    pub(super) async fn submit_single(&self) -> Result<Figure, Error> {
        let clients = self.config.clients.unwrap_or(1).max(1);
        let tasks = self.config.tasks.min(SINGLES * clients);
        let mut blocks = self.blocks(tasks, true);
        let mut lanes = Vec::new();
        for client in 0..clients {
            let share = blocks.split_off(blocks.len() - blocks.len() / (clients - client));
            let backend = if clients == 1 { Arc::clone(&self.backend) } else { self.another().await? };
            // A link that is made later would be measured.
            backend.queues().await?;
            lanes.push((backend, share));
        }
        let begun = self.clock.elapsed();
        let submit = |(backend, share): (Arc<dyn Backend>, Vec<Block>)| async move {
            for block in share {
                accept(&*backend, vec![block]).await?;
            }
            Ok::<(), Error>(())
        };
        futures_util::future::try_join_all(lanes.into_iter().map(submit)).await?;
        let time = self.clock.elapsed() - begun;
        let figure = self.figure("submit", tasks, time).with("durable", "each task before its client's next");
        Ok(figure.with("clients", clients))
    }

    pub(super) async fn submit_many(&self) -> Result<Figure, Error> {
        let blocks = self.blocks(self.config.tasks, false);
        let time = self.submit_calls(&blocks).await?;
        Ok(self
            .figure("submit-many", self.config.tasks, time)
            .with("call", CALL)
            .with("durable", "each call"))
    }

    /// A drone with no backend to speak of.
    pub(super) async fn alone(&self) -> Result<Figure, Error> {
        let (label, config) = ("list".to_owned(), self.config.clone());
        let (clock, random) = (Arc::clone(&self.clock), Arc::clone(&self.random));
        let list: Arc<dyn Backend> = Arc::new(List::default());
        let open = move || -> Opening { Box::pin(std::future::ready(Ok(Arc::clone(&list)))) };
        let alone = Self::new(label, Box::new(open), None, config, clock, random).await.map_err(refused)?;
        alone.drain("alone", true).await
    }

    pub(super) async fn drain(&self, name: &str, single: bool) -> Result<Figure, Error> {
        let tasks = self.config.tasks;
        let blocks = self.blocks(tasks, single);
        let submit = self.submit_calls(&blocks).await?;
        drop(blocks);
        let ran: Arc<[AtomicU8]> = (0..tasks).map(|_| AtomicU8::new(0)).collect();
        let watched = Arc::new(Watched::new(Arc::clone(&self.backend), Arc::clone(&self.clock), tasks));
        let (begun, used) = (self.clock.elapsed(), cpu_time());
        self.run_drone(&watched, &ran).await?;
        let used = cpu_time() - used;
        let time =
            watched.done_at().ok_or_else(|| refused("the drone left before the queue was empty"))? - begun;
        let count = |wanted: fn(u8) -> bool| ran.iter().filter(|n| wanted(n.load(Ordering::Relaxed))).count();
        let (lost, twice) = (count(|n| n == 0), count(|n| n > 1));
        if lost + twice > 0 {
            return Err(refused(format!("{lost} tasks never ran, {twice} ran more than once")));
        }
        let figure = self.figure(name, tasks, time).with("submit_seconds", submit.as_secs_f64());
        let figure = figure.with("cpu_us", used.as_secs_f64() * 1e6 / tasks as f64);
        let (pumps, settles) = watched.calls();
        Ok(figure.with("pumps", pumps).with("settles", settles).with("hands", self.config.hands))
    }

    async fn run_drone(&self, watched: &Arc<Watched>, ran: &Arc<[AtomicU8]>) -> Result<(), Error> {
        let counts = Arc::clone(ran);
        let noop = move |load: Load, _: Context| {
            if let Some(count) = counts.get(load.n) {
                count.fetch_add(1, Ordering::Relaxed);
            }
            async { Ok::<_, HandlerError>(()) }
        };
        let folder = tempfile::tempdir_in(&self.config.folder).map_err(refused)?;
        let drone = Drone::builder()
            .name("bench")
            .queue("bench", queue(), Arc::clone(watched) as _)
            .local_path(folder.path().join("local.db"))
            .life(Life { until_empty: true, ..Life::default() })
            .handler(task_type(), self.config.hands, Settings::default(), noop);
        drone.build().map_err(refused)?.run(Stopper::default()).await.map_err(refused)?;
        Ok(())
    }

    /// Blocks of numbered tasks, in bulk or of one each.
    pub(super) fn blocks(&self, tasks: usize, single: bool) -> Vec<Block> {
        let mut like = Block::one(task_type(), "0", &*self.clock, &*self.random);
        like.queue = queue();
        let payloads: Vec<String> = (0..tasks).map(|n| Load::payload(n, self.config.payload)).collect();
        let id = || BlockId::new(&*self.clock, &*self.random);
        if single {
            return payloads.chunks(1).flat_map(|one| block::pack(&like, one, id)).collect();
        }
        block::pack(&like, &payloads, id)
    }

    pub(super) async fn submit_calls(&self, blocks: &[Block]) -> Result<Duration, Error> {
        let mut calls: Vec<Vec<Block>> = vec![Vec::new()];
        let mut tasks = 0;
        for block in blocks {
            tasks += block.payloads.len();
            if tasks > CALL {
                calls.push(Vec::new());
                tasks = block.payloads.len();
            }
            calls.last_mut().into_iter().for_each(|call| call.push(block.clone()));
        }
        let begun = self.clock.elapsed();
        for call in calls {
            self.submit(call).await?;
        }
        Ok(self.clock.elapsed() - begun)
    }

    pub(super) async fn submit(&self, blocks: Vec<Block>) -> Result<(), Error> {
        accept(&*self.backend, blocks).await
    }
}

async fn accept(backend: &dyn Backend, blocks: Vec<Block>) -> Result<(), Error> {
    let answers = backend.submit(Submission::whole(blocks)).await?;
    match answers.iter().find(|answer| **answer != Submitted::Accepted) {
        Some(other) => Err(refused(format!("the queue did not accept: {other:?}"))),
        None => Ok(()),
    }
}
