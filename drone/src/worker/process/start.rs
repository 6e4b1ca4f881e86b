//! Starts one process and its pumps.

use std::sync::Arc;

use tokio::{net::unix::pipe, task::JoinHandle};
use tokio_util::codec::{AnyDelimiterCodec, FramedRead};

use super::pool::Pool;
use crate::{
    plumbing::{self, Child},
    worker::{
        inlet::Inlet,
        output::Log,
        wire::{MAX_LINE, Order},
    },
};

/// Its replies, line by line.
pub(super) type Replies = FramedRead<pipe::Receiver, AnyDelimiterCodec>;

/// A process that has not said hello yet.
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) inlet: Inlet,
    pub(super) replies: Replies,
    pub(super) logs: [Log; 2],
    pub(super) pumps: Vec<JoinHandle<()>>,
}

pub(super) async fn start(pool: &Arc<Pool>) -> Result<Started, String> {
    let incarnation = &pool.deps.incarnation;
    let mut recipe = pool.launch.recipe(&pool.config.argv, &pool.name, incarnation)?;
    recipe.replies = true;
    recipe.env.insert("SKEP_WIRE".into(), "1".into());
    let program = recipe.program.display().to_string();
    let cannot = |error| format!("cannot start {program}: {error}");
    let (child, pipes) = plumbing::spawn(recipe).await.map_err(cannot)?;
    let replies = pipes.replies.ok_or("the process has no reply pipe")?;

    let [stdout, stderr] = ["stdout", "stderr"].map(|stream| Log::new(&pool.name, stream, &pool.deps.clock));
    let pumps = vec![
        pool.deps.tracker.spawn(stdout.clone().pump(pipes.stdout)),
        pool.deps.tracker.spawn(stderr.clone().pump(pipes.stderr)),
    ];
    let mut inlet = Inlet::new(pipes.stdin);
    if !pool.config.options.is_empty() {
        inlet.push(Order::Setup(&pool.config.options).encode()?);
    }
    let codec = AnyDelimiterCodec::new_with_max_length(b"\n".to_vec(), Vec::new(), MAX_LINE);
    let replies = FramedRead::new(replies, codec);
    Ok(Started { child, inlet, replies, logs: [stdout, stderr], pumps })
}
