//! A throwaway PostgreSQL server: on a Unix socket in a folder of its own, and dead when its process is.
//!
//! The programs are those of `SKEP_PG_BIN`, else the newest of `/usr/lib/postgresql/*/bin`, else of `PATH`.
#![forbid(unsafe_code)]

mod frozen;
mod pooler;
mod standby;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

use tempfile::TempDir;

pub use pooler::Pooler;

/// Whom the server runs as when the test is root, which PostgreSQL refuses to be.
const NOBODY: u32 = 65534;
/// Begins the name of each folder.
const PREFIX: &str = "skep-pg-";
/// The file in it that is locked by who uses it.
const LOCK: &str = "lock";

type Ended = Mutex<mpsc::Receiver<io::Result<ExitStatus>>>;

/// A server that runs, or may be started again.
#[derive(Debug)]
pub struct Server {
    programs: PathBuf,
    folder: TempDir,
    /// Its pid while it runs; what comes out when it has ended.
    running: Option<(u32, Ended)>,
    _lock: fs::File,
}

/// Where the server's programs are.
///
/// # Errors
/// In words, with what to install.
pub fn programs() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("SKEP_PG_BIN").map(PathBuf::from) {
        return if named.join("postgres").exists() {
            Ok(named)
        } else {
            Err(format!("SKEP_PG_BIN={} holds no postgres", named.display()))
        };
    }
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = installed
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut all = versions.into_iter().rev().map(|(_, path)| path).chain(std::env::split_paths(&paths));
    all.find(|path| path.join("postgres").exists() && path.join("initdb").exists())
        .ok_or_else(|| "no PostgreSQL server here: apt-get install postgresql, or say SKEP_PG_BIN".to_owned())
}

impl Server {
    /// Makes a cluster, with these lines in its configuration, and starts it.
    ///
    /// # Errors
    /// When there is no server, or it does not start.
    pub fn start(settings: &[&str]) -> Result<Self, String> {
        Self::with(programs()?, settings)
    }

    /// The same with the programs of a folder.
    ///
    /// # Errors
    /// When the server does not start; with what it said.
    pub fn with(programs: PathBuf, settings: &[&str]) -> Result<Self, String> {
        let mut server = Self::placed(programs).map_err(|error| error.to_string())?;
        server.make(settings).map_err(|error| format!("initdb: {error}"))?;
        server.again()?;
        Ok(server)
    }

    /// A folder of its own, with nothing in it.
    fn placed(programs: PathBuf) -> io::Result<Self> {
        sweep();
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        let lock = lock(folder.path())?;
        if rustix::process::getuid().is_root() {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
        }
        Ok(Self { programs, folder, running: None, _lock: lock })
    }

    /// The folder that holds the socket, the log, and the cluster in `data`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the programs lie.
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// The URL of a database, for the superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_as("postgres", database)
    }

    /// The URL of a database, for a role.
    #[must_use]
    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres:///{database}?host={}&user={role}", self.folder.path().display())
    }

    /// The pid of the postmaster, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|(pid, _)| *pid)
    }

    /// Starts it again; returns when it answers.
    ///
    /// # Errors
    /// When it does not within a minute; with what it said.
    pub fn again(&mut self) -> Result<(), String> {
        for _ in 0..300 {
            match self.try_again() {
                // The children of a postmaster that was killed take a moment to notice; 14's, up to ten seconds.
                Err(why) if why.contains("pre-existing shared memory") => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                done => return done,
            }
        }
        Err("somebody still uses the cluster".into())
    }

    fn try_again(&mut self) -> Result<(), String> {
        self.running = Some(self.spawn().map_err(|error| format!("postgres: {error}"))?);
        for _ in 0..6000 {
            if self.answers() {
                return Ok(());
            }
            if let Some(status) = self.ends_within(Duration::from_millis(10)) {
                self.running = None;
                return Err(format!("postgres ended ({status:?}): {}", self.last_words()));
            }
        }
        Err(format!("postgres does not answer: {}", self.last_words()))
    }

    /// Stops it at once, without a checkpoint: what was not flushed is lost, as when the power fails.
    pub fn stop(&mut self) {
        self.signal("QUIT");
        self.ended();
    }

    /// Stops it as for an upgrade: who is connected is sent away, and all that was committed is kept.
    pub fn halt(&mut self) {
        self.signal("INT");
        self.ended();
    }

    /// Runs SQL as the superuser, with `psql`; answers what it printed: a line a row, columns apart by `|`.
    ///
    /// # Errors
    /// What the server said, when it did not like it.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database), "-c", sql]);
        let output = psql.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("psql: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Kills the postmaster; its children find out by themselves.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.ended();
    }

    /// Sends a signal to the postmaster.
    pub fn signal(&self, signal: &str) {
        if let Some(pid) = self.pid() {
            let _ = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
        }
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    fn ended(&mut self) {
        let _ = self.ends_within(Duration::from_secs(60));
        self.running = None;
    }

    fn ends_within(&self, bound: Duration) -> Option<io::Result<ExitStatus>> {
        let (_, ended) = self.running.as_ref()?;
        ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(bound).ok()
    }

    /// A process that has recovered and takes connections says so in its status file.
    fn answers(&self) -> bool {
        let status = fs::read_to_string(self.folder.path().join("data/postmaster.pid"));
        let takes = |line: &str| ["ready", "standby"].contains(&line.trim());
        status.is_ok_and(|text| text.lines().nth(7).is_some_and(takes))
    }

    fn make(&self, settings: &[&str]) -> io::Result<()> {
        let folder = self.folder.path();
        let mut initdb = self.command("initdb");
        initdb.args(["-N", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D"]);
        let output = initdb.arg(folder.join("data")).output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let socket = folder.display();
        let own = format!("listen_addresses = ''\nunix_socket_directories = '{socket}'\n");
        self.configure(&(own + &settings.join("\n") + "\n"))
    }

    /// Adds to its configuration.
    fn configure(&self, lines: &str) -> io::Result<()> {
        let path = self.folder.path().join("data/postgresql.conf");
        let text = fs::read_to_string(&path)? + lines;
        fs::write(path, text)
    }

    /// From a thread that waits for it: the death signal fires when the *thread* that forked has ended.
    fn spawn(&self) -> io::Result<(u32, Ended)> {
        let mut postgres = self.command("postgres");
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("log"))?;
        postgres.arg("-D").arg(self.folder.path().join("data"));
        postgres.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let _ = fs::remove_file(self.folder.path().join("data/postmaster.pid"));
        let (tell_pid, told_pid) = mpsc::channel();
        let (tell_end, told_end) = mpsc::channel();
        std::thread::Builder::new().name("postgres".into()).spawn(move || match postgres.spawn() {
            Ok(mut child) => {
                let _ = tell_pid.send(Ok(child.id()));
                let _ = tell_end.send(child.wait());
            }
            Err(error) => drop(tell_pid.send(Err(error))),
        })?;
        let pid = told_pid.recv().map_err(io::Error::other)??;
        Ok((pid, Mutex::new(told_end)))
    }

    /// A program of the server's, as somebody who is not root, and dead with this process.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if rustix::process::getuid().is_root() {
            let id = NOBODY.to_string();
            command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
        }
        command.arg(self.programs.join(program));
        command
    }
}

/// Removes what processes left that ended without a word: a server in a static is never dropped. Whoever lives
/// holds a lock in its folder; its pid would say nothing to who looks from another container.
fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let Some(lock) = ours.then(|| fs::File::open(entry.path().join(LOCK)).ok()).flatten() else {
            continue;
        };
        if rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Says that the folder is in use, for as long as the file is open.
fn lock(folder: &Path) -> io::Result<fs::File> {
    let lock = fs::File::create(folder.join(LOCK))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(lock)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Who stands still does not hear that it is to stop.
        self.thaw();
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_comes_and_goes() -> Result<(), String> {
        let mut server = Server::start(&["fsync = off"])?;
        let first = server.pid();
        assert!(first.is_some() && server.folder().join(".s.PGSQL.5432").exists());
        server.kill();
        assert_eq!(server.pid(), None);
        server.again()?;
        assert!(server.pid() != first);
        Ok(())
    }
}
