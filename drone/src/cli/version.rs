//! `skep version`: what this is, and what it stands on.

use std::env::consts::{ARCH, OS};

use super::{Exit, Failed, Form, World};

/// Prints the versions of skep and of the SQLite in it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, world: &World) -> Result<Exit, Failed> {
    let (skep, sqlite, target) = (env!("CARGO_PKG_VERSION"), sqlite(), format!("{ARCH}-{OS}"));
    match world.out.form() {
        Form::Json => {
            world.out.json(&serde_json::json!({ "skep": skep, "sqlite": sqlite, "target": target }));
        }
        _ => world.out.line(format!("skep {skep} (SQLite {sqlite}, {target})")),
    }
    Ok(Exit::Ok)
}

fn sqlite() -> String {
    let ask = |connection: skep_sqlite::Connection| {
        connection.query_row("SELECT sqlite_version()", [], |row| row.get(0))
    };
    skep_sqlite::Connection::open_in_memory().and_then(ask).unwrap_or_else(|error| error.to_string())
}
