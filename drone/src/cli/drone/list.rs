//! `skep drone list`

use std::time::Duration;

use serde_json::json;
use skep_queue::admin::DroneView;

use crate::cli::{
    Exit, Failed, Form, World,
    out::{text::span, time},
};

const HEAD: [&str; 10] =
    ["name", "incarnation", "queue", "state", "beat", "types", "hands", "held", "running", "degraded"];

pub(super) async fn list(world: &World) -> Result<Exit, Failed> {
    let drones = world.existing().await?.drones().await?;
    match world.out.form() {
        Form::Quiet => drones.iter().for_each(|drone| world.out.line(drone.incarnation.to_string())),
        Form::Json => drones.iter().for_each(|drone| world.out.json(&object(drone, age(drone, world)))),
        Form::Table => world.out.table(&HEAD, drones.iter().map(|drone| row(drone, age(drone, world)))),
    }
    Ok(Exit::Ok)
}

/// How long ago it spoke, in whole seconds; the queue's clock may be ahead of ours.
pub(super) fn age(drone: &DroneView, world: &World) -> Duration {
    Duration::from_secs(world.clock.now().since(drone.beat_at).as_secs())
}

fn state(drone: &DroneView) -> &'static str {
    match (drone.silent, drone.draining) {
        (true, _) => "silent",
        (false, true) => "draining",
        (false, false) => "alive",
    }
}

fn types(drone: &DroneView) -> Vec<&str> {
    drone.facts.types.iter().map(skep_queue::TaskType::as_str).collect()
}

fn row(drone: &DroneView, age: Duration) -> Vec<String> {
    let (facts, incarnation) = (&drone.facts, drone.incarnation.to_string());
    // The end of it is random; the beginning may be a time that drones share.
    let short = incarnation.get(incarnation.len().saturating_sub(8)..).unwrap_or_default().to_owned();
    vec![
        facts.name.clone(),
        short,
        drone.queue.to_string(),
        state(drone).into(),
        span(age),
        types(drone).join(" "),
        facts.hands.to_string(),
        facts.held.to_string(),
        facts.running.to_string(),
        facts.degraded.join("; "),
    ]
}

fn object(drone: &DroneView, age: Duration) -> serde_json::Value {
    let facts = &drone.facts;
    json!({
        "name": facts.name,
        "incarnation": drone.incarnation.to_string(),
        "queue": drone.queue,
        "state": state(drone),
        "beat_at": time(drone.beat_at),
        "beat_age": age.as_secs(),
        "types": types(drone),
        "hands": facts.hands,
        "held": facts.held,
        "running": facts.running,
        "degraded": facts.degraded,
        "host": facts.host,
        "pid": facts.pid,
        "version": facts.version,
        "started_at": time(facts.started_at),
    })
}
