//! A second server that follows the first.

use std::{fs, process::Stdio};

use crate::Server;

impl Server {
    /// A hot standby: a copy of a server that runs, which streams all that is committed there, and takes
    /// connections that only read.
    ///
    /// # Errors
    /// When the copy fails, or the standby does not start; with what was said.
    pub fn standby_of(primary: &Self) -> Result<Self, String> {
        let mut standby = Self::placed(primary.programs.clone()).map_err(|error| error.to_string())?;
        standby.follow(primary).map_err(|error| format!("pg_basebackup: {error}"))?;
        standby.again()?;
        Ok(standby)
    }

    /// Becomes a primary of its own; returns at once.
    ///
    /// # Errors
    /// What the server said.
    pub fn promote(&self) -> Result<(), String> {
        self.sql("postgres", "select pg_promote(false)").map(drop)
    }

    fn follow(&self, primary: &Self) -> Result<(), String> {
        let said = |error: std::io::Error| error.to_string();
        let (own, first) = (self.folder().display(), primary.folder().display());
        let mut copy = self.command("pg_basebackup");
        copy.args(["--username", "postgres", "--checkpoint", "fast", "--wal-method", "stream", "--no-sync"]);
        copy.arg("--host").arg(primary.folder()).arg("--pgdata").arg(self.folder().join("data"));
        let output = copy.stdin(Stdio::null()).output().map_err(said)?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        // The last line of a name counts.
        let lines = format!(
            "unix_socket_directories = '{own}'\nprimary_conninfo = 'host={first} user=postgres'\nhot_standby = on\n"
        );
        self.configure(&lines).map_err(said)?;
        fs::write(self.folder().join("data/standby.signal"), "").map_err(said)
    }
}
