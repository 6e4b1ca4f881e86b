//! `skep config`

use super::{Exit, Failed, Form, World, drone::FileArgs, out::text::count};
use crate::config;

/// What to do with a configuration.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Reads it, and says everything that is wrong, without opening or starting anything.
    Check(FileArgs),
    /// The JSON Schema of the file, for editors.
    Schema,
    /// The values that hold, from all sources, as TOML.
    Show(Show),
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    file: FileArgs,
    /// Say of each value who said it: default, file and line, environment or option.
    #[arg(long)]
    origin: bool,
}

pub(super) fn run(verb: Verb, world: &World) -> Result<Exit, Failed> {
    match verb {
        Verb::Check(file) => check(&file, world)?,
        Verb::Schema => world.out.raw(format!("{:#}\n", config::schema()).as_bytes()),
        Verb::Show(Show { file, origin }) => world.out.raw(file.load(world)?.show(origin).as_bytes()),
    }
    Ok(Exit::Ok)
}

fn check(file: &FileArgs, world: &World) -> Result<(), Failed> {
    let loaded = file.load(world)?;
    let (queues, workers) = (loaded.config.queues.len(), loaded.config.workers.len());
    match world.out.form() {
        Form::Json => world.out.json(&serde_json::json!({
            "good": true,
            "queues": queues,
            "workers": workers,
            "notes": loaded.notes.0.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })),
        _ => world.out.line(format!("good: {}, {}", count(queues, "queue"), count(workers, "worker"))),
    }
    loaded.notes.0.iter().for_each(|note| world.out.talk(format!("note: {note}")));
    Ok(())
}
