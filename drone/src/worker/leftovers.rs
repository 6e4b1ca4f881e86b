//! What processes leave behind, and its end.
//!
//! | left behind | ended by |
//! | --- | --- |
//! | in the group of a worker that ended | a KILL of the group, before the worker is reaped |
//! | out of the group (daemonised), its worker gone | the sweep after each exit, once [`adopt_orphans`] was called |
//! | workers, the drone gone by any means | PR_SET_PDEATHSIG, at once |
//! | their children, the drone gone by any means | the [`Keeper`], at once; without it [`kill_leftovers`] at the next start |
//!
//! The last three know their own by two variables in the environment a process was started with. One that
//! starts with a cleaned environment *and* in a session of its own escapes until it ends by itself: only a
//! container or cgroup around the drone (systemd's `KillMode=control-group`) holds those.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};

use crate::plumbing;

/// In the environment of every worker process and what it starts: the drone's incarnation.
pub const MARKER: &str = "SKEP_DRONE";
/// And which process of the drone it is, or descends from.
pub const SERIAL: &str = "SKEP_PROCESS";

/// How often a sweep looks for what was forked while it looked.
const ROUNDS: usize = 10;

/// Waits for the drone to die, then kills what carries its mark.
const KEEPER: &str = r#"
trap '' HUP INT TERM
read -r _
for round in 1 2 3; do
    for environ in $(grep -lszxF "SKEP_DRONE=$1" /proc/[0-9]*/environ); do
        pid=${environ#/proc/}; kill -KILL "${pid%/environ}" 2>/dev/null
    done
done"#;

/// A shell that outlives the drone by an instant, to kill what the drone's workers started. It waits for the
/// end of its stdin, which only the drone holds open: so even `kill -9` of the drone wakes it. Dropping it
/// ends it, and with it whatever still carries the mark.
#[derive(Debug)]
pub struct Keeper(std::process::Child);

/// Kills every process that a former incarnation left. To be called at start, before anything is spawned.
/// Returns how many there were.
#[must_use]
pub fn kill_leftovers(incarnation: &str) -> usize {
    let mark = format!("{MARKER}={incarnation}");
    let mut killed = BTreeSet::new();
    // Again, until none is new: a process may have forked while the list was read.
    for _ in 0..ROUNDS {
        let known = killed.len();
        killed.extend(processes().filter(|&pid| kill_if(pid, |environ| has(environ, &mark))));
        if killed.len() == known {
            break;
        }
    }
    killed.len()
}

/// Makes orphans of workers children of this process, so that they are ended with their worker and never
/// stay zombies. Only for a process whose children all are skep's, or stay in its own session: any other
/// child that ends is taken for an orphan and reaped.
///
/// # Errors
/// When the kernel refuses.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

impl Keeper {
    /// Starts one for this incarnation.
    ///
    /// # Errors
    /// When there is no `/bin/sh`, or it cannot be started.
    pub fn start(incarnation: &str) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", KEEPER, "skep-keeper", incarnation]).env_clear().process_group(0);
        // Not the shell's default: a keeper must not hold a folder, or the drone's terminal.
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("PATH", "/usr/bin:/bin").spawn().map(Self)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Ends adopted orphans whose process is not among the living, and reaps those that have ended. Returns
/// whether some were killed only now, and are to be reaped soon.
pub(crate) fn end_orphans(live: &BTreeMap<i32, u64>) -> bool {
    if rustix::process::child_subreaper().ok().flatten().is_none() {
        return false;
    }
    let abandoned =
        |environ: &[u8]| serial(environ).is_some_and(|serial| !live.values().any(|&s| s == serial));
    let mut killed = false;
    for pid in children().into_iter().filter(|pid| !live.contains_key(pid) && is_orphan(*pid)) {
        killed |= kill_if(pid, abandoned);
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
    }
    killed
}

/// Whoever was re-parented to us comes from another session: workers are leaders of their own.
fn is_orphan(pid: i32) -> bool {
    let session = plumbing::session(pid);
    session.is_some() && session != plumbing::session(0)
}

/// Asks and kills through one pidfd: whatever the number comes to mean meanwhile, no other process is hit.
fn kill_if(pid: i32, wanted: impl FnOnce(&[u8]) -> bool) -> bool {
    let Some(pid) = Pid::from_raw(pid).filter(|&pid| pid != rustix::process::getpid()) else { return false };
    let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return false };
    // Unreadable means another user's; a zombie's is empty.
    let Ok(environ) = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())) else { return false };
    wanted(&environ) && rustix::process::pidfd_send_signal(pidfd, Signal::KILL).is_ok()
}

fn has(environ: &[u8], variable: &str) -> bool {
    environ.split(|&b| b == 0).any(|entry| entry == variable.as_bytes())
}

fn serial(environ: &[u8]) -> Option<u64> {
    let mut entries = environ.split(|&b| b == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
    entries.find_map(|entry| entry.strip_prefix(SERIAL)?.strip_prefix('=')?.parse().ok())
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Children hang on the thread that forked them, orphans on any.
fn children() -> Vec<i32> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}
