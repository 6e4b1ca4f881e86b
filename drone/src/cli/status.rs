//! `skep status`: the health of a queue on one screen.

mod manager;

use std::time::Duration;

use serde::Serialize;
use skep_queue::admin::{DroneView, Filter, QueueView, State};

use super::{
    Exit, Failed, Form, World,
    out::{QueueJson, text::count},
    queue, spool,
};
use crate::{backend::manager::wire::view::Status, config::Url, duration::Written, spool::Key};

/// More discarded tasks than this are not counted.
const MOST: usize = 1000;
/// How long the queue has to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Shows the health of the queues and drones.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

#[derive(Serialize)]
struct Health<'a> {
    backend: String,
    queues: Vec<QueueJson<'a>>,
    drones: &'a [DroneView],
    alive: usize,
    silent: usize,
    /// Workers that do not start, in words.
    degraded: Vec<String>,
    /// Kept tasks that were discarded, at most 1000.
    discarded: usize,
    /// What a manager adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    manager: Option<Status>,
    spool: Spooled,
}

/// What waits on this machine for the queue.
#[derive(Serialize)]
struct Spooled {
    path: String,
    tasks: u64,
    submissions: u64,
    /// How long the oldest has waited, in seconds.
    oldest: Option<u64>,
    /// Submissions that the queue refused for good.
    refused: u64,
    /// Why nothing can be said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What the queue says of itself.
struct Facts {
    queues: Vec<QueueView>,
    drones: Vec<DroneView>,
    discarded: usize,
    manager: Option<Status>,
}

pub(super) async fn run(_: &Args, world: &World) -> Result<Exit, Failed> {
    // It may hold a password.
    let backend = Url::new(world.url()).to_string();
    let asked = tokio::time::timeout(PATIENCE, facts(world)).await;
    let slow = || Err(Failed::new(Exit::Unreachable, format!("no answer within {} s", PATIENCE.as_secs())));
    let spool = spooled(world).await;
    let Facts { queues, drones, discarded, manager } = match asked.unwrap_or_else(|_| slow()) {
        Ok(facts) => facts,
        Err(failed) => {
            without(&backend, &spool, &failed, world);
            return Err(failed);
        }
    };
    let silent = drones.iter().filter(|drone| drone.silent).count();
    let health = Health {
        backend,
        queues: queues.iter().map(QueueJson::from).collect(),
        drones: &drones,
        alive: drones.len() - silent,
        silent,
        degraded: degraded(&drones),
        discarded,
        manager,
        spool,
    };
    match world.out.form() {
        Form::Json => world.out.json(&health),
        _ => show(&health, &queues, world),
    }
    Ok(Exit::Ok)
}

async fn facts(world: &World) -> Result<Facts, Failed> {
    let backend = world.existing().await?;
    let (queues, drones) = (backend.queues().await?, backend.drones().await?);
    let discarded = Filter { states: vec![State::Discarded], limit: MOST, ..Filter::default() };
    let manager = match world.manager()? {
        Some(manager) => Some(manager.status().await?),
        None => None,
    };
    Ok(Facts { queues, drones, discarded: backend.find(discarded).await?.len(), manager })
}

async fn spooled(world: &World) -> Spooled {
    let (spool, key) = (world.spool(), Key::of(world.url()));
    let path = spool.path().display().to_string();
    let none = Spooled { path, tasks: 0, submissions: 0, oldest: None, refused: 0, error: None };
    let tally = spool.tally().await;
    spool::note_damage(&spool, world);
    match tally {
        Ok(all) => match all.into_iter().find(|tally| tally.backend == key.as_str()) {
            Some(tally) => Spooled {
                tasks: tally.tasks,
                submissions: tally.submissions,
                oldest: tally.oldest.map(|at| spool.age(at).as_secs()),
                refused: tally.refused,
                ..none
            },
            None => none,
        },
        Err(error) => Spooled { error: Some(error.to_string()), ..none },
    }
}

/// What can be said while the queue does not answer.
fn without(backend: &str, spool: &Spooled, failed: &Failed, world: &World) {
    if world.out.form() == Form::Json {
        let unreachable = failed.text();
        world
            .out
            .json(&serde_json::json!({ "backend": backend, "unreachable": unreachable, "spool": spool }));
    } else {
        say(world, "backend", format!("{backend}: unreachable"));
        say(world, "spool", spool.words());
    }
}

impl Spooled {
    fn words(&self) -> String {
        if let Some(error) = &self.error {
            return error.clone();
        }
        let mut words = match self.oldest.map(Duration::from_secs) {
            None => "empty".to_owned(),
            Some(oldest) => {
                let (tasks, submissions) = (self.tasks as usize, self.submissions as usize);
                let (tasks, submissions) = (count(tasks, "task"), count(submissions, "submission"));
                format!("{tasks} in {submissions}, the oldest for {}", Written(oldest))
            }
        };
        if self.refused > 0 {
            words += &format!(", {} refused: see skep spool list", self.refused);
        }
        words
    }
}

fn say(world: &World, key: &str, value: String) {
    world.out.line(format!("{key:<10} {value}"));
}

fn degraded(drones: &[DroneView]) -> Vec<String> {
    let of = |drone: &DroneView| {
        let name = drone.facts.name.clone();
        drone.facts.degraded.iter().map(move |why| format!("{name}: {why}")).collect::<Vec<_>>()
    };
    drones.iter().flat_map(of).collect()
}

fn show(health: &Health<'_>, queues: &[QueueView], world: &World) {
    let say = |key: &str, value: String| say(world, key, value);
    say("backend", health.backend.clone());
    for (key, words) in health.manager.iter().flat_map(manager::lines) {
        say(key, words);
    }
    for queue in queues {
        say("queue", queue_words(queue, world));
        if let Some(words) = waits_words(queue) {
            say("waits", words);
        }
    }
    if queues.is_empty() {
        say("queue", "none yet: submit a task first".into());
    }
    say("drones", format!("{} alive, {} silent", health.alive, health.silent));
    for drone in health.drones {
        say("drone", drone_words(drone));
    }
    for why in &health.degraded {
        say("degraded", why.clone());
    }
    for queue in queues {
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
    say("spool", health.spool.words());
}

fn queue_words(view: &QueueView, world: &World) -> String {
    let of = view.capacity.map(|n| format!(" of {n}")).unwrap_or_default();
    let (scheduled, available, claimed) = (view.scheduled, view.available, view.claimed);
    let counts = format!("{scheduled} scheduled, {available} available, {claimed} claimed");
    // The queue's clock may be ahead of ours.
    let waited = view.waiting_since.map(|since| world.clock.now().since(since).as_secs());
    let waited = waited.map(|seconds| format!(", waiting for {}", Written(Duration::from_secs(seconds))));
    let (waited, state) = (waited.unwrap_or_default(), queue::state(view));
    format!("{}: {}{of} tasks ({counts}), {state}{waited}", view.name, view.depth)
}

/// How many have waited how long; nothing of a queue in which nobody waits, or that does not tell.
fn waits_words(view: &QueueView) -> Option<String> {
    let bands = <[u64; 6]>::from(view.waits);
    let names = ["<1s", "<10s", "<1m", "<10m", "<1h", "longer"];
    let each: Vec<String> = names.iter().zip(bands).map(|(name, tasks)| format!("{name} {tasks}")).collect();
    (bands.iter().sum::<u64>() > 0).then(|| format!("{}: {}", view.name, each.join("  ")))
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
