//! A PgBouncer before a throwaway server, in transaction mode; dead when its process is.

use std::{
    fs,
    os::unix::fs::chown,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use tempfile::TempDir;

use crate::{NOBODY, PREFIX, Server};

/// Where Debian puts it, which is not on everybody's path.
const PLACES: [&str; 3] = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
const PORT: u16 = 6432;

/// A pooler that runs.
#[derive(Debug)]
pub struct Pooler {
    folder: TempDir,
    pid: u32,
}

impl Pooler {
    /// Starts one, with these lines in its configuration, for these roles; none when there is no PgBouncer.
    ///
    /// # Errors
    /// When it does not start; with what it said.
    pub fn start(server: &Server, settings: &[&str], roles: &[&str]) -> Result<Option<Self>, String> {
        let Some(program) = PLACES.iter().map(PathBuf::from).find(|place| place.exists()) else {
            return Ok(None);
        };
        let prefix = format!("{PREFIX}{}-pooler-", std::process::id());
        let text = |error: std::io::Error| error.to_string();
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir().map_err(text)?;
        let path = folder.path();
        let users: String = roles.iter().map(|role| format!("\"{role}\" \"\"\n")).collect();
        fs::write(path.join("users"), users).map_err(text)?;
        let (behind, here, more) = (server.folder().display(), path.display(), settings.join("\n"));
        let ini = format!(
            "[databases]\n* = host={behind}\n[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\n\
             unix_socket_dir = {here}\nauth_type = trust\nauth_file = {here}/users\nlogfile = {here}/log\n\
             pool_mode = transaction\ndefault_pool_size = 5\nserver_idle_timeout = 2\nmax_client_conn = 2000\n{more}\n"
        );
        fs::write(path.join("ini"), ini).map_err(text)?;
        let pid = spawn(program, path.join("ini"), path).map_err(text)?;
        let pooler = Self { folder, pid };
        for _ in 0..1000 {
            if pooler.folder.path().join(format!(".s.PGSQL.{PORT}")).exists() {
                return Ok(Some(pooler));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("pgbouncer does not answer: {}", pooler.log()))
    }

    /// The URL of a database, for a role.
    #[must_use]
    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres:///{database}?host={}&port={PORT}&user={role}", self.folder.path().display())
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// From a thread that waits for it: the death signal fires when the *thread* that forked has ended.
fn spawn(program: PathBuf, ini: PathBuf, folder: &std::path::Path) -> std::io::Result<u32> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if rustix::process::getuid().is_root() {
        chown(folder, Some(NOBODY), Some(NOBODY))?;
        let id = NOBODY.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    }
    command.arg(program).arg("-q").arg(ini);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let (tell, told) = mpsc::channel();
    std::thread::Builder::new().name("pgbouncer".into()).spawn(move || match command.spawn() {
        Ok(mut child) => {
            let _ = tell.send(Ok(child.id()));
            let _ = child.wait();
        }
        Err(error) => drop(tell.send(Err(error))),
    })?;
    told.recv().map_err(std::io::Error::other)?
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.pid.to_string()]).status();
    }
}
