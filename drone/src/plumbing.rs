//! Process plumbing: how a worker's process is born, signalled and reaped. The one module with unsafe code.
//!
//! Linux 5.11 or later: pidfds, and `close_range` that only marks.
//!
//! Who spawns matters. PR_SET_PDEATHSIG fires when the *thread* that forked ends, and the threads of a
//! runtime come and go (`spawn_blocking` ones do). So one thread of its own forks every child, and lives as
//! long as the drone's process: it is started once and never joined.
#![expect(
    unsafe_code,
    reason = "pre_exec, close_range and AsyncFd have no safe form; nothing else needs any"
)]

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use command_fds::{CommandFdExt, FdMapping};
use rustix::{
    fs::Mode,
    process::{Pid, PidfdFlags, Resource, Rlimit, Signal},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::unix::pipe,
    sync::oneshot,
};

use crate::worker::leftovers;

mod spawner;

use spawner::Errand;

/// Where a worker finds the end of its reply pipe.
pub const REPLIES: i32 = 3;
/// The kernel shall pick workers before the drone when memory runs out.
const OOM_SCORE_ADJ: &str = "500";

/// How to start a process.
#[derive(Debug, Clone, Default)]
pub struct Recipe {
    /// An existing file; nothing is searched here.
    pub program: PathBuf,
    /// Without the program's own name.
    pub args: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<OsString, OsString>,
    /// Where it runs; the drone's folder when absent.
    pub cwd: Option<PathBuf>,
    /// The user it becomes; supplementary groups are dropped.
    pub uid: Option<u32>,
    /// The group it becomes.
    pub gid: Option<u32>,
    /// Soft and hard limits alike.
    pub limits: Vec<(Resource, u64)>,
    /// Whether setuid programs below it stay without effect.
    pub no_new_privileges: bool,
    /// Whether it gets a reply pipe as fd 3.
    pub replies: bool,
}

/// A running process, leader of its own session and group. Whoever owns it awaits [`Child::exited`]; one
/// that is dropped before is killed with its group, and reaped by the spawning thread.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: AsyncFd<OwnedFd>,
    process: Option<std::process::Child>,
}

/// The drone's ends of a process's pipes.
#[derive(Debug)]
pub struct Pipes {
    /// To its stdin.
    pub stdin: pipe::Sender,
    /// From its stdout.
    pub stdout: pipe::Receiver,
    /// From its stderr.
    pub stderr: pipe::Receiver,
    /// From its fd 3, if it was to have one.
    pub replies: Option<pipe::Receiver>,
}

struct Born {
    process: std::process::Child,
    pidfd: OwnedFd,
    replies: Option<OwnedFd>,
}

static SERIAL: AtomicU64 = AtomicU64::new(1);

/// Starts a process.
///
/// # Errors
/// When it cannot be started: the program cannot be executed, a limit or the user cannot be set, or the
/// system is out of processes or descriptors.
pub async fn spawn(recipe: Recipe) -> io::Result<(Child, Pipes)> {
    let (tell, told) = oneshot::channel();
    spawner::errand(Errand::Spawn(Box::new(recipe), tell))?;
    let born = told.await.map_err(|_| io::Error::other("the spawning thread is gone"))??;
    take_up(born)
}

fn take_up(born: Born) -> io::Result<(Child, Pipes)> {
    let Born { mut process, pidfd, replies } = born;
    let pid = pid_of(&process)?;
    let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    // From here on an error drops the child, which ends the process.
    let child = Child { pid, pidfd: watched(pidfd)?, process: Some(process) };
    let missing = || io::Error::other("a pipe is missing");
    let pipes = Pipes {
        stdin: pipe::Sender::from_owned_fd(stdin.ok_or_else(missing)?.into())?,
        stdout: pipe::Receiver::from_owned_fd(stdout.ok_or_else(missing)?.into())?,
        stderr: pipe::Receiver::from_owned_fd(stderr.ok_or_else(missing)?.into())?,
        replies: replies.map(pipe::Receiver::from_owned_fd).transpose()?,
    };
    Ok((child, pipes))
}

fn watched(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is open, owned by the AsyncFd from here on, and neither replaced nor closed
    // before it: nothing takes it out of a `Child`.
    let watched = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) };
    Ok(watched?)
}

// === impl Child ===

impl Child {
    /// Its process id, and that of its group and session.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Signals the whole group. Safe from reuse of the number: an unreaped leader holds it.
    pub fn signal(&self, signal: Signal) {
        if self.process.is_some() && rustix::process::kill_process_group(self.pid, signal).is_err() {
            let _ = rustix::process::pidfd_send_signal(self.pidfd.get_ref(), signal);
        }
    }

    /// Returns when the process has ended; what is left of its group is killed. Safe to drop and call again
    /// until it has returned.
    ///
    /// # Errors
    /// When the system cannot tell how it ended.
    pub async fn exited(&mut self) -> io::Result<ExitStatus> {
        let _ = self.pidfd.readable().await?;
        self.signal(Signal::KILL);
        let process = self.process.take();
        let status = process.map_or_else(|| Err(io::Error::other("reaped before")), spawner::reap);
        spawner::sweep();
        status
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if let Some(process) = self.process.take() {
            // The thread is there: it made this child.
            let _ = spawner::errand(Errand::Reap(process));
        }
    }
}

// === birth ===

fn bear(recipe: &Recipe) -> io::Result<Born> {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let mut command = command(recipe);
    command.env(leftovers::SERIAL, serial.to_string());
    let mut replies = None;
    if recipe.replies {
        // Made before std's own pipes: so fd 3 is taken by now, and cannot be the pipe on which std hears
        // of a failed exec, which the mapping would overwrite.
        let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let mapping = FdMapping { parent_fd: theirs, child_fd: REPLIES };
        command.fd_mappings(vec![mapping]).map_err(io::Error::other)?;
        replies = Some(ours);
    }
    prepare_in_child(&mut command, recipe);
    let process = command.spawn()?;
    spawner::lives(&process, serial);
    // From outside: in the child the file may belong to root. Where it is refused, nothing is lost but a hint.
    let _ = std::fs::write(format!("/proc/{}/oom_score_adj", process.id()), OOM_SCORE_ADJ);
    match pid_of(&process).and_then(|pid| Ok(rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?)) {
        Ok(pidfd) => Ok(Born { process, pidfd, replies }),
        Err(error) => {
            spawner::end(process);
            Err(error)
        }
    }
}

fn command(recipe: &Recipe) -> Command {
    let mut command = Command::new(&recipe.program);
    command.args(&recipe.args).env_clear().envs(&recipe.env);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    recipe.cwd.as_ref().map(|cwd| command.current_dir(cwd));
    recipe.gid.map(|gid| command.gid(gid));
    recipe.uid.map(|uid| command.uid(uid));
    command
}

fn prepare_in_child(command: &mut Command, recipe: &Recipe) {
    let drone = rustix::process::getpid();
    let limits = recipe.limits.clone();
    let no_new_privileges = recipe.no_new_privileges;
    let first_closed = if recipe.replies { REPLIES + 1 } else { REPLIES };
    let prepare = move || {
        rustix::process::setsid()?;
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The drone may have died before the line above: then no signal comes any more.
        if rustix::process::getppid() != Some(drone) {
            return Err(rustix::io::Errno::SRCH.into());
        }
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
        for &(resource, limit) in &limits {
            let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
            rustix::process::setrlimit(resource, limit)?;
        }
        if no_new_privileges {
            rustix::thread::set_no_new_privs(true)?;
        }
        mark_close_on_exec(first_closed)
    };
    // SAFETY: between fork and exec only async-signal-safe things may happen. The closure makes system calls
    // on data prepared before the fork; it neither allocates, nor locks, nor panics, nor drops anything.
    unsafe { command.pre_exec(prepare) };
}

/// Only marks: std's own pipe for the result of exec must stay open until then.
fn mark_close_on_exec(first: i32) -> io::Result<()> {
    // SAFETY: the call takes three integers and touches no memory; with CLOEXEC it closes nothing now, so no
    // owned descriptor of this process is invalidated.
    let done =
        unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The session of a process, 0 for this one; none when there is no such process. A session that began outside
/// this container is 0 too, which is why rustix's `getsid` does not do: it takes a zero for impossible.
pub(crate) fn session(pid: i32) -> Option<i32> {
    // SAFETY: the call takes an integer and touches no memory.
    let session = unsafe { libc::getsid(pid) };
    (session >= 0).then_some(session)
}

fn pid_of(process: &std::process::Child) -> io::Result<Pid> {
    Pid::from_raw(process.id().cast_signed()).ok_or_else(|| io::Error::other("a process without an id"))
}
