//! `skep drone rescue`

use serde_json::json;
use skep_queue::admin::DroneView;

use super::list::age;
use crate::{
    cli::{Exit, Failed, Form, World},
    duration::Written,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its name, its incarnation, or the end of that as `skep drone list` shows it.
    #[arg(value_name = "NAME|INCARNATION")]
    drone: String,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// The least of an incarnation that names it.
const END: usize = 8;

pub(crate) async fn rescue(args: Args, world: &World) -> Result<Exit, Failed> {
    let backend = world.existing().await?;
    let drones = backend.drones().await?;
    let drone = one(&drones, &args.drone)?;
    if !drone.silent {
        let age = Written(age(drone, world));
        world.out.talk(format!("note: it spoke {age} ago: what it runs, if it lives, will run twice"));
    }
    let known = args.dry_run || backend.rescue(drone.incarnation).await?;
    let left = !args.dry_run && backend.drones().await?.iter().any(|d| d.incarnation == drone.incarnation);
    let outcome = match (known, left) {
        (false, _) => "not_found",
        (true, false) => "rescued",
        (true, true) => "partly",
    };
    say(drone, outcome, args.dry_run, world);
    Ok(match outcome {
        "not_found" => Exit::NotFound,
        "partly" => Exit::Failed,
        _ => Exit::Ok,
    })
}

/// The drone that is meant.
fn one<'d>(drones: &'d [DroneView], word: &str) -> Result<&'d DroneView, Failed> {
    let ends = |drone: &DroneView| word.len() >= END && drone.incarnation.to_string().ends_with(word);
    let meant: Vec<&DroneView> = drones.iter().filter(|d| d.facts.name == word || ends(d)).collect();
    match meant[..] {
        [drone] => Ok(drone),
        [] => Err(Failed::new(Exit::NotFound, format!("no drone {word}: see skep drone list"))),
        _ => {
            let each = meant.iter().map(|drone| {
                let how = if drone.silent { "silent" } else { "alive" };
                format!("\n  {} ({how})", drone.incarnation)
            });
            let each: String = each.collect();
            Err(Failed::new(Exit::Usage, format!("{} drones are {word}: say which{each}", meant.len())))
        }
    }
}

fn say(drone: &DroneView, outcome: &str, dry_run: bool, world: &World) {
    let (name, incarnation) = (&drone.facts.name, drone.incarnation);
    match world.out.form() {
        Form::Json => world.out.json(
            &json!({ "name": name, "incarnation": incarnation, "outcome": outcome, "dry_run": dry_run }),
        ),
        Form::Quiet if outcome == "rescued" => world.out.line(incarnation.to_string()),
        Form::Quiet => {}
        Form::Table => {
            let words = match outcome {
                "rescued" if dry_run => "would be rescued: its tasks would be handed to others",
                "rescued" => "rescued: its tasks wait for others",
                "partly" => {
                    "rescued in part: where a postback has no room the task stays with it, and so does it"
                }
                _ => "gone: it is not known any more",
            };
            world.out.line(format!("{incarnation}  {words}"));
        }
    }
}
