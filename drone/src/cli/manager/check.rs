//! `skep manager check`

use std::path::Path;

use serde_json::json;

use super::{run::open, source::FileArgs};
use crate::{
    backend::{absent_file, manager::key::Ring},
    cli::{Exit, Failed, Form, World, key, status::PATIENCE},
    config::manager::Listen,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    file: FileArgs,
}

pub(crate) async fn check(args: Args, world: &World) -> Result<Exit, Failed> {
    let loaded = args.file.load(world)?;
    let config = &loaded.config;
    let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    let (backend, keys) = (config.backend.to_string(), config.keys.display().to_string());
    match world.out.form() {
        Form::Json => world.out.json(&json!({ "backend": backend, "listen": listen, "keys": keys })),
        _ => {
            world.out.line(format!("manager of {backend}"));
            listen.iter().for_each(|place| world.out.line(format!("listens on {place}")));
            world.out.line(format!("keys in {keys}"));
        }
    }
    loaded.notes.0.iter().for_each(|note| world.out.talk(format!("note: {note}")));
    if config.listen.iter().any(|place| matches!(place, Listen::Tcp(..))) {
        Ring::load(&config.keys).map_err(key::failed)?;
    }
    // To look is not to make.
    let absent = absent_file(config.backend.reveal());
    if let Some(path) = absent.filter(|path| path.parent().is_some_and(Path::is_dir)) {
        world.out.talk(format!("note: {} is not there yet: the first run makes it", path.display()));
        return Ok(Exit::Ok);
    }
    let backend = open(config, &world.backends).await?;
    let unreachable = |why: String| {
        let why = config.backend.redact(&why);
        Err(Failed::new(Exit::Unreachable, format!("{}: {why}", config.backend)))
    };
    match tokio::time::timeout(PATIENCE, backend.queues()).await {
        Ok(Ok(_)) => Ok(Exit::Ok),
        Ok(Err(error)) => unreachable(error.to_string()),
        Err(_) => unreachable(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
