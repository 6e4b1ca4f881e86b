//! `skep ping`: how long a queue takes to answer.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use skep_queue::Backend;

use super::{Exit, Failed, Form, World, status::PATIENCE};

/// Between two of them.
const PAUSE: Duration = Duration::from_millis(200);

/// Asks the queue whether it is there, and says how long the answer took.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How often.
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
}

pub(super) async fn run(args: &Args, world: &World) -> Result<Exit, Failed> {
    let backend = world.existing().await?;
    let mut times = Vec::new();
    for n in 0..args.count {
        if n > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let millis = ping(&backend, world).await?.as_secs_f64() * 1000.0;
        match world.out.form() {
            Form::Json => world.out.json(&json!({ "n": n + 1, "ms": millis })),
            _ => world.out.line(format!("answer {} in {millis:.3} ms", n + 1)),
        }
        times.push(millis);
    }
    if args.count > 1 && world.out.form() == Form::Table {
        times.sort_by(f64::total_cmp);
        let (least, middle, most) = (times[0], times[times.len() / 2], times[times.len() - 1]);
        world.out.talk(format!("least {least:.3} ms, median {middle:.3} ms, most {most:.3} ms"));
    }
    Ok(Exit::Ok)
}

/// One round trip; of a queue that is no manager, one look at its queues.
async fn ping(backend: &Arc<dyn Backend>, world: &World) -> Result<Duration, Failed> {
    let asked = async {
        if let Some(manager) = world.manager()? {
            return Ok(manager.ping().await?);
        }
        let begun = world.clock.elapsed();
        backend.queues().await?;
        Ok(world.clock.elapsed().saturating_sub(begun))
    };
    let slow = || Failed::new(Exit::Unreachable, format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, asked).await.map_err(|_| slow())?
}
