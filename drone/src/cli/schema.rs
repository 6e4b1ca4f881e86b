//! `skep schema`: sets up what a server needs.

use super::{Exit, Failed, Form, World};
use crate::backend::{self, Schema, SchemaStatus};

/// What to do with the schema of a postgres: backend.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Brings it to what this version needs, in one transaction. Drones may go on meanwhile.
    Up,
    /// Prints the SQL that `up` would run, for a migration tool of your own.
    Plan,
    /// Compares it with what this version needs.
    Status,
}

pub(super) async fn run(verb: &Verb, world: &World) -> Result<Exit, Failed> {
    match verb {
        Verb::Up => up(world).await,
        Verb::Plan => {
            let sql = backend::schema(world.url(), Schema::Plan).await.map_err(failed)?.concat();
            if sql.is_empty() {
                world.out.talk("nothing to do");
            }
            world.out.raw(sql.as_bytes());
            Ok(Exit::Ok)
        }
        Verb::Status => {
            let status = backend::schema_status(world.url()).await.map_err(failed)?;
            show(&status, world);
            Ok(if status.is_good() { Exit::Ok } else { Exit::Failed })
        }
    }
}

async fn up(world: &World) -> Result<Exit, Failed> {
    let done = backend::schema(world.url(), Schema::Up).await.map_err(failed)?;
    let status = backend::schema_status(world.url()).await.map_err(failed)?;
    match world.out.form() {
        Form::Json => world.out.json(&serde_json::json!({
            "schema": status.schema, "version": status.version, "done": done, "groups_missing": status.groups_missing,
        })),
        _ if done.is_empty() => world.out.talk(format!("schema {}: nothing to do", status.schema)),
        _ => {
            done.iter().for_each(|part| world.out.line(part));
            world.out.talk(format!("schema {} is of version {}", status.schema, status.wanted));
        }
    }
    groups(&status, world);
    Ok(Exit::Ok)
}

fn show(status: &SchemaStatus, world: &World) {
    if world.out.form() == Form::Json {
        return world.out.json(status);
    }
    let version = status.version.map_or_else(|| "not set up".into(), |version| format!("version {version}"));
    world.out.line(format!("schema {}: {version}; this skep needs {}", status.schema, status.wanted));
    status.missing.iter().for_each(|part| world.out.line(format!("missing: {part}")));
    status.changed.iter().for_each(|name| world.out.line(format!("changed by hand: {name}")));
    status.open.iter().for_each(|name| world.out.line(format!("anybody may call: {name}")));
    groups(status, world);
    match status.version {
        Some(version) if version > status.wanted => world.out.talk("use the newer skep"),
        _ if !status.is_good() => {
            world.out.talk("run skep schema up, or give the SQL of skep schema plan to whoever may")
        }
        _ => {}
    }
}

/// Only an administrator can make what is missing.
fn groups(status: &SchemaStatus, world: &World) {
    if !status.groups_missing.is_empty() {
        let make: Vec<String> =
            status.groups_missing.iter().map(|group| format!("create role {group} nologin;")).collect();
        world.out.talk(format!(
            "groups are missing, and nobody was given rights through them. Ask an administrator for:\n  {}\n\
             and then run skep schema up again",
            make.join(" ")
        ));
    }
}

/// What went wrong, by whose turn it is.
pub(super) fn failed((text, unreachable): (String, bool)) -> Failed {
    Failed::new(if unreachable { Exit::Unreachable } else { Exit::Failed }, text)
}
