//! `skep drone list`

use comfy_table::{Table, presets};
use serde_json::json;
use skep_queue::{Clock, admin::DroneView, clock::SystemClock};

use super::say;
use crate::{
    cli::{Exit, Failed, World},
    duration::Written,
};

const HEAD: [&str; 10] =
    ["NAME", "INCARNATION", "QUEUE", "STATE", "BEAT", "TYPES", "HANDS", "HELD", "RUNNING", "DEGRADED"];

pub(super) async fn list(world: &World) -> Result<Exit, Failed> {
    let opened = world.backends.open(&world.common.backend).await;
    let backend = opened.map_err(|error| {
        let url = crate::config::Url::new(&world.common.backend);
        Failed::new(Exit::Unreachable, url.redact(&error))
    })?;
    let drones = backend.drones().await?;
    let now = SystemClock.now().micros();
    let age = |drone: &DroneView| {
        let micros = u64::try_from(now - drone.beat_at.micros()).unwrap_or(0);
        std::time::Duration::from_secs(micros / 1_000_000)
    };
    let text: String = if world.common.quiet {
        drones.iter().map(|drone| format!("{}\n", drone.incarnation)).collect()
    } else if world.common.json {
        drones.iter().map(|drone| format!("{}\n", object(drone, age(drone).as_secs()))).collect()
    } else {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(HEAD);
        table.add_rows(drones.iter().map(|drone| row(drone, &Written(age(drone)).to_string())));
        format!("{table}\n")
    };
    say(&text)?;
    Ok(Exit::Ok)
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

fn row(drone: &DroneView, age: &str) -> [String; 10] {
    let (facts, incarnation) = (&drone.facts, drone.incarnation.to_string());
    // The end of it is random; the beginning may be a time that drones share.
    let short = incarnation.get(incarnation.len().saturating_sub(8)..).unwrap_or_default().to_owned();
    [
        clean(&facts.name),
        short,
        drone.queue.to_string(),
        state(drone).into(),
        age.into(),
        types(drone).join(" "),
        facts.hands.to_string(),
        facts.held.to_string(),
        facts.running.to_string(),
        clean(&facts.degraded.join("; ")),
    ]
}

/// A drone tells these of itself: they must not draw on the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn object(drone: &DroneView, age: u64) -> serde_json::Value {
    let facts = &drone.facts;
    json!({
        "name": facts.name,
        "incarnation": drone.incarnation.to_string(),
        "queue": drone.queue,
        "state": state(drone),
        "beat_at": drone.beat_at,
        "beat_age": age,
        "types": types(drone),
        "hands": facts.hands,
        "held": facts.held,
        "running": facts.running,
        "degraded": facts.degraded,
        "host": facts.host,
        "pid": facts.pid,
        "version": facts.version,
        "started_at": facts.started_at,
    })
}
