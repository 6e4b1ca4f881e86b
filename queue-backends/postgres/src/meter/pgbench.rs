//! `pgbench -N`, where it is installed: two short changes a transaction and a commit that waits for the disk, in
//! a schema of its own that is gone afterwards.

use std::{path::PathBuf, process::Output};

use skep_queue::meter::Yardstick;
use sqlx::{PgConnection, postgres::PgConnectOptions};
use tokio::process::Command;

use crate::error::Error;

/// Where its tables lie meanwhile.
const MAKE: &str = "drop schema if exists skep_pgbench cascade; create schema skep_pgbench";
const DROP: &str = "drop schema if exists skep_pgbench cascade";

pub(super) async fn run(
    to: &PgConnectOptions,
    connection: &mut PgConnection,
    clients: usize,
    seconds: u32,
) -> Result<Option<Yardstick>, Error> {
    let Some(program) = program() else { return Ok(None) };
    sqlx::raw_sql(MAKE).execute(&mut *connection).await?;
    let ran = measure(&program, to, clients, seconds).await;
    sqlx::raw_sql(DROP).execute(connection).await?;
    ran.map(Some)
}

/// The newest beside a server's programs, else that of `PATH`.
fn program() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = installed
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders = versions.into_iter().rev().map(|(_, path)| path).chain(std::env::split_paths(&paths));
    folders.map(|folder| folder.join("pgbench")).find(|program| program.exists())
}

async fn measure(
    program: &PathBuf,
    to: &PgConnectOptions,
    clients: usize,
    seconds: u32,
) -> Result<Yardstick, Error> {
    let (clients, seconds) = (clients.to_string(), seconds.to_string());
    called(program, to, &["-i", "-q", "-s", "1"]).await?;
    let arguments = ["-N", "-c", &clients, "-j", "1", "-T", &seconds, "-M", "prepared", "-n"];
    let output = called(program, to, &arguments).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = |name: &str| {
        let (_, rest) = text.split_once(name)?;
        rest.split_whitespace().next()?.parse::<f64>().ok()
    };
    let found = number("latency average = ").zip(number("tps = "));
    let (latency_ms, rate) = found.ok_or_else(|| Error::Corrupt(format!("pgbench said: {text}")))?;
    let command = format!("pgbench -N -c{clients} -M prepared -s 1 -T {seconds}");
    Ok(Yardstick { command, latency_ms, rate })
}

/// A password comes from PGPASSWORD or the password file, as of every program of PostgreSQL's.
async fn called(program: &PathBuf, to: &PgConnectOptions, arguments: &[&str]) -> Result<Output, Error> {
    let host = to.get_socket().map_or_else(|| to.get_host().to_owned(), |path| path.display().to_string());
    let mut command = Command::new(program);
    command.env("PGHOST", host).env("PGPORT", to.get_port().to_string()).env("PGUSER", to.get_username());
    command.env("PGOPTIONS", "-c search_path=skep_pgbench").kill_on_drop(true);
    if let Some(database) = to.get_database() {
        command.env("PGDATABASE", database);
    }
    let output = command.args(arguments).output().await;
    let output = output.map_err(|error| Error::Refused(format!("{}: {error}", program.display())))?;
    if output.status.success() {
        Ok(output)
    } else {
        Err(Error::Refused(format!("pgbench: {}", String::from_utf8_lossy(&output.stderr).trim())))
    }
}
