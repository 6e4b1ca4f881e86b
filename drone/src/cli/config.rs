//! `skep config`

use super::{
    Exit, Failed, World,
    drone::{FileArgs, say},
};
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
        Verb::Schema => say(&format!("{:#}\n", config::schema()))?,
        Verb::Show(Show { file, origin }) => say(&file.load(world)?.show(origin))?,
    }
    Ok(Exit::Ok)
}

fn check(file: &FileArgs, world: &World) -> Result<(), Failed> {
    let loaded = file.load(world)?;
    let workers = loaded.config.workers.len();
    let mut text = format!("good: queues: {}, workers: {workers}\n", loaded.config.queues.len());
    for note in &loaded.notes.0 {
        text += &format!("note: {note}\n");
    }
    say(&text)
}
