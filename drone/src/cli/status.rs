//! `skep status`: the health of a queue on one screen.

use serde::Serialize;
use skep_queue::admin::{DroneView, Filter, QueueView, State};

use super::{Exit, Failed, Form, World, out::text::count, queue};
use crate::config::Url;

/// More discarded tasks than this are not counted.
const MOST: usize = 1000;

/// Shows the health of the queues and drones.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

#[derive(Serialize)]
struct Health<'a> {
    backend: String,
    queues: &'a [QueueView],
    drones: &'a [DroneView],
    alive: usize,
    silent: usize,
    /// Workers that do not start, in words.
    degraded: Vec<String>,
    /// Kept tasks that were discarded, at most 1000.
    discarded: usize,
}

pub(super) async fn run(_: &Args, world: &World) -> Result<Exit, Failed> {
    let backend = world.existing().await?;
    let (queues, drones) = (backend.queues().await?, backend.drones().await?);
    let discarded = Filter { states: vec![State::Discarded], limit: MOST, ..Filter::default() };
    let silent = drones.iter().filter(|drone| drone.silent).count();
    let health = Health {
        // It may hold a password.
        backend: Url::new(world.url()).to_string(),
        queues: &queues,
        drones: &drones,
        alive: drones.len() - silent,
        silent,
        degraded: degraded(&drones),
        discarded: backend.find(discarded).await?.len(),
    };
    match world.out.form() {
        Form::Json => world.out.json(&health),
        _ => show(&health, world),
    }
    Ok(Exit::Ok)
}

fn degraded(drones: &[DroneView]) -> Vec<String> {
    let of = |drone: &DroneView| {
        let name = drone.facts.name.clone();
        drone.facts.degraded.iter().map(move |why| format!("{name}: {why}")).collect::<Vec<_>>()
    };
    drones.iter().flat_map(of).collect()
}

fn show(health: &Health<'_>, world: &World) {
    let say = |key: &str, value: String| world.out.line(format!("{key:<10} {value}"));
    say("backend", health.backend.clone());
    for queue in health.queues {
        say("queue", queue_words(queue));
    }
    if health.queues.is_empty() {
        say("queue", "none yet: submit a task first".into());
    }
    say("drones", format!("{} alive, {} silent", health.alive, health.silent));
    for drone in health.drones {
        say("drone", drone_words(drone));
    }
    for why in &health.degraded {
        say("degraded", why.clone());
    }
    for queue in health.queues {
        for of_type in queue.types.iter().filter(|of_type| !of_type.served && of_type.depth > 0) {
            say(
                "unserved",
                format!(
                    "{} of type {}: no drone has a worker for it",
                    count(of_type.depth as usize, "task"),
                    of_type.name
                ),
            );
        }
    }
    let more = if health.discarded == MOST { " or more" } else { "" };
    let hint = if health.discarded > 0 { ": see skep task list state:discarded" } else { "" };
    say("discarded", format!("{}{more}{hint}", health.discarded));
}

fn queue_words(view: &QueueView) -> String {
    let of = view.capacity.map(|n| format!(" of {n}")).unwrap_or_default();
    let (scheduled, available, claimed) = (view.scheduled, view.available, view.claimed);
    let counts = format!("{scheduled} scheduled, {available} available, {claimed} claimed");
    format!("{}: {}{of} tasks ({counts}), {}", view.name, view.depth, queue::state(view))
}

fn drone_words(drone: &DroneView) -> String {
    let facts = &drone.facts;
    let how = match (drone.silent, drone.draining) {
        (true, _) => "silent",
        (false, true) => "draining",
        (false, false) => "alive",
    };
    let name = if facts.name.is_empty() { "(has not spoken)" } else { &facts.name };
    format!(
        "{name} on {}: {how}, runs {} of {}, holds {}",
        facts.host, facts.running, facts.hands, facts.held
    )
}
