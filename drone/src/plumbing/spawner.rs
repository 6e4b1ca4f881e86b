//! The one thread that forks, reaps what nobody awaits, and looks after orphans.
#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap,
    io,
    process::{Child, ExitStatus},
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use rustix::process::{Signal, WaitId, WaitIdOptions};
use tokio::sync::oneshot;

use super::{Born, Recipe, bear, pid_of};
use crate::worker::leftovers;

/// When to look after orphans that a sweep has killed.
const SWEEP_AGAIN: Duration = Duration::from_millis(20);

pub(super) enum Errand {
    Spawn(Box<Recipe>, oneshot::Sender<io::Result<Born>>),
    Reap(Child),
    Sweep,
}

static SPAWNER: Mutex<Option<mpsc::Sender<Errand>>> = Mutex::new(None);
/// Children that are not reaped yet, each with its serial: what tells them from adopted orphans.
static LIVE: Mutex<BTreeMap<i32, u64>> = Mutex::new(BTreeMap::new());
/// Asks the spawning thread to end orphans whose process is gone; see [`leftovers`].
pub(super) fn sweep() {
    // Without the thread nothing was ever spawned, so there is nothing to sweep.
    let _ = errand(Errand::Sweep);
}

/// A child is born. Called on the thread, so that no sweep can meet it unlisted.
pub(super) fn lives(process: &Child, serial: u64) {
    living().insert(process.id().cast_signed(), serial);
}

/// Gives the thread something to do; starts it, the first time.
pub(super) fn errand(errand: Errand) -> io::Result<()> {
    let mut spawner = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner);
    let sender = match spawner.take() {
        Some(sender) => sender,
        None => {
            let (sender, errands) = mpsc::channel();
            std::thread::Builder::new().name("skep-spawner".into()).spawn(move || run(&errands))?;
            sender
        }
    };
    let sent = sender.send(errand).map_err(|_| io::Error::other("the spawning thread is gone"));
    *spawner = Some(sender);
    sent
}

fn run(errands: &mpsc::Receiver<Errand>) {
    let mut unswept = false;
    loop {
        let errand = match errands.recv_timeout(if unswept { SWEEP_AGAIN } else { Duration::MAX }) {
            Ok(errand) => errand,
            Err(mpsc::RecvTimeoutError::Timeout) => Errand::Sweep,
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        };
        match errand {
            Errand::Spawn(recipe, tell) => {
                if let Err(Ok(unwanted)) = tell.send(bear(&recipe)) {
                    end(unwanted.process);
                }
            }
            Errand::Reap(process) => drop(reap(process)),
            Errand::Sweep => {
                unswept = leftovers::end_orphans(&living());
            }
        }
    }
}

/// Waits for the end of a process, and takes it.
pub(super) fn reap(mut process: Child) -> io::Result<ExitStatus> {
    // Waits without taking it, so that the lock is held for an instant only.
    rustix::process::waitid(WaitId::Pid(pid_of(&process)?), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    // Under the lock: a sweep must find the child listed for as long as it can find it at all.
    let mut live = living();
    let status = process.wait();
    live.remove(&process.id().cast_signed());
    status
}

/// Ends a process that nobody will own.
pub(super) fn end(mut process: Child) {
    // Not reaped yet, so neither number can be another's.
    if let Ok(pid) = pid_of(&process) {
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
    let _ = process.kill();
    drop(reap(process));
}

fn living() -> MutexGuard<'static, BTreeMap<i32, u64>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}
