//! `skep key`: who may come to a manager over the network, and what each may do.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Exit, Failed, Form, World, out::time};
use crate::{
    backend::manager::key::{Entry, Grant, KeyError, KeyId, Pattern, Ring, Role},
    config::manager,
};

/// Makes, lists and revokes the keys of a manager.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// The manager's key ring [default: what ./manager.toml says, or ./skep.keys].
    #[arg(long, global = true, value_name = "RING")]
    keys: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// The keys of the ring, the oldest first.
    List,
    /// Makes a key, puts it on the ring, and writes it to a file for its holder.
    New(New),
    /// Revokes a key: a running manager ends its links within two seconds.
    Revoke {
        /// As `skep key list` prints it.
        id: KeyId,
    },
}

#[derive(Debug, clap::Args)]
struct New {
    /// What its holder may do: submit, drone, view or admin.
    #[arg(long)]
    role: Role,
    /// Whose it is, for people and the log [default: the role].
    #[arg(long)]
    name: Option<String>,
    /// Only these task types: names, or beginnings with *; all when not said.
    #[arg(long, value_delimiter = ',', value_name = "TYPE,..")]
    types: Vec<Pattern>,
    /// Only these queues, likewise.
    #[arg(long, value_delimiter = ',', value_name = "QUEUE,..")]
    queues: Vec<Pattern>,
    /// Where to write it [default: NAME.key].
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: Args, world: &World) -> Result<Exit, Failed> {
    let ring = match args.keys {
        Some(ring) => ring,
        None => configured(world)?,
    };
    match args.verb {
        Verb::List => list(&ring, world),
        Verb::New(new) => make(new, &ring, world),
        Verb::Revoke { id } => revoke(id, &ring, world),
    }
}

/// The ring of the manager whose configuration lies here.
fn configured(world: &World) -> Result<PathBuf, Failed> {
    let file = PathBuf::from(manager::FILE);
    if !file.exists() {
        return Ok(manager::DEFAULT_KEYS.into());
    }
    let sources = manager::Sources { file: Some(file), ..manager::Sources::default() };
    let loaded = manager::load(&sources, &world.backends);
    let wrong = |problems| {
        let text = format!("{} is wrong; name the ring with --keys, or mend it\n{problems}", manager::FILE);
        Failed::new(Exit::Usage, text)
    };
    loaded.map(|loaded| loaded.config.keys).map_err(wrong)
}

fn make(new: New, ring: &Path, world: &World) -> Result<Exit, Failed> {
    let New { role, name, types, queues, out } = new;
    let name = name.unwrap_or_else(|| role.to_string());
    let file = out.unwrap_or_else(|| format!("{name}.key").into());
    if file.exists() {
        let text = format!("there already: {}; name another file with -o", file.display());
        return Err(Failed::new(Exit::Conflict, text));
    }
    let key = Ring::add(ring, &name, Grant { role, types, queues }, world.clock.as_ref()).map_err(failed)?;
    if let Err(error) = key.save(&file) {
        // Nobody has it, and nobody ever will.
        let _ = Ring::revoke(ring, key.id);
        return Err(failed(error));
    }
    let id = key.id.to_string();
    match world.out.form() {
        Form::Json => {
            world
                .out
                .json(&json!({ "id": id, "role": role.as_str(), "name": name, "file": file, "ring": ring }));
        }
        Form::Quiet => world.out.line(id),
        Form::Table => {
            world.out.line(format!("key {id} of {name} ({role}): {}", file.display()));
            let (ring, file) = (ring.display(), file.display());
            world.out.talk(format!(
                "it is on the ring {ring}; bring {file} to its holder over a safe way, who names it in the URL: \
                 skep://HOST/?key={file}"
            ));
        }
    }
    Ok(Exit::Ok)
}

fn list(path: &Path, world: &World) -> Result<Exit, Failed> {
    let ring = Ring::load(path).map_err(failed)?;
    match world.out.form() {
        Form::Json => ring.entries().iter().for_each(|entry| world.out.json(&machine(entry))),
        Form::Quiet => ring.entries().iter().for_each(|entry| world.out.line(entry.id.to_string())),
        Form::Table => {
            let header = ["id", "role", "name", "types", "queues", "created", "state"];
            world.out.table(&header, ring.entries().iter().map(row));
        }
    }
    Ok(Exit::Ok)
}

fn row(entry: &Entry) -> Vec<String> {
    let some =
        |patterns: &[Pattern]| if patterns.is_empty() { "all".into() } else { names(patterns).join(",") };
    vec![
        entry.id.to_string(),
        entry.grant.role.to_string(),
        entry.name.clone(),
        some(&entry.grant.types),
        some(&entry.grant.queues),
        time(entry.created_at),
        if entry.revoked { "revoked".into() } else { "active".into() },
    ]
}

fn machine(entry: &Entry) -> serde_json::Value {
    json!({
        "id": entry.id.to_string(),
        "role": entry.grant.role.as_str(),
        "name": entry.name,
        "types": names(&entry.grant.types),
        "queues": names(&entry.grant.queues),
        "created_at": time(entry.created_at),
        "revoked": entry.revoked,
    })
}

fn names(patterns: &[Pattern]) -> Vec<String> {
    patterns.iter().map(ToString::to_string).collect()
}

fn revoke(id: KeyId, ring: &Path, world: &World) -> Result<Exit, Failed> {
    if !Ring::load(ring).map_err(failed)?.entries().iter().any(|entry| entry.id == id) {
        let text = format!("no key {id} in {}: skep key list shows those there are", ring.display());
        return Err(Failed::new(Exit::NotFound, text));
    }
    let now = Ring::revoke(ring, id).map_err(failed)?;
    let id = id.to_string();
    match world.out.form() {
        Form::Json => world.out.json(&json!({ "id": id, "revoked": true, "before": !now })),
        Form::Quiet => world.out.line(id),
        Form::Table if now => world.out.line(format!("key {id} is revoked")),
        Form::Table => world.out.line(format!("key {id} had been revoked before")),
    }
    Ok(Exit::Ok)
}

pub(super) fn failed(error: KeyError) -> Failed {
    let absent = matches!(&error, KeyError::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound);
    let exit = match &error {
        _ if absent => Exit::NotFound,
        KeyError::Refused(_) => Exit::Usage,
        _ => Exit::Failed,
    };
    let failed = Failed::new(exit, error.to_string());
    if absent {
        failed.note("skep key new --role submit|drone|view|admin makes a ring with its first key")
    } else {
        failed
    }
}
