//! The lock file beside a database. For an exclusive file it is held for life; for a shared one it is the
//! fair queue of its writers, and its doorbell: whoever made work available writes a byte to it.
//!
//! It is apart from the database since closing any descriptor of a file drops all POSIX locks that the
//! process has on it, SQLite's among them.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::error::Error;

/// How often, and how long apart, a lock that is held for life is tried for: a second in all.
const TRIES: u32 = 20;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// An open lock file.
#[derive(Debug)]
pub struct FileLock {
    database: PathBuf,
    path: PathBuf,
    file: File,
    /// flock belongs to the open file, so threads of one process must take turns first.
    threads: Mutex<()>,
    rope: Rope,
}

/// Pulled within a transaction, rings the bell once that is committed. One that is rolled back rings for
/// nothing, which is harmless.
#[derive(Debug, Clone, Default)]
pub struct Rope(Arc<AtomicBool>);

/// A writer's turn; ends when dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    file: &'a File,
    _thread: std::sync::MutexGuard<'a, ()>,
}

impl FileLock {
    /// Opens (or makes) the lock file of a database.
    pub(crate) fn open(database: &Path) -> Result<Self, Error> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(|e| Error::Place {
            path: path.clone(),
            why: format!("cannot be opened ({e}): check that the folder exists and may be written"),
        })?;
        Ok(Self { database: database.to_owned(), path, file, threads: Mutex::new(()), rope: Rope::default() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock for as long as this value lives, and leaves the pid for whoever comes second.
    pub(crate) fn hold(&self) -> Result<(), Error> {
        let mut tries = TRIES;
        loop {
            match self.file.try_lock() {
                Ok(()) => break,
                // A holder that was killed an instant ago may not be gone yet, and its supervisor is quick.
                Err(TryLockError::WouldBlock) if tries > 0 => {
                    tries -= 1;
                    std::thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::InUse { path: self.database.clone(), pid: self.holder() });
                }
                Err(TryLockError::Error(e)) => {
                    return Err(Error::Io(format!("{}: {e}", self.path.display())));
                }
            }
        }
        let mut file = &self.file;
        let note = format!("{}\n", std::process::id());
        let noted = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(note.as_bytes()));
        noted.map_err(|e| Error::Io(format!("{}: {e}", self.path.display())))
    }

    /// Waits for this process's turn to write.
    pub(crate) fn turn(&self) -> Result<Turn<'_>, Error> {
        let thread = self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.file.lock().map_err(|e| Error::Io(format!("{}: {e}", self.path.display())))?;
        Ok(Turn { file: &self.file, _thread: thread })
    }

    /// What work that is to ring pulls.
    #[must_use]
    pub fn rope(&self) -> Rope {
        self.rope.clone()
    }

    /// Rings, if the rope was pulled.
    pub(crate) fn committed(&self) {
        if self.rope.0.swap(false, Ordering::Relaxed) {
            self.ring();
        }
    }

    /// Rings: everybody who watches the file looks again.
    pub fn ring(&self) {
        // A hint: those who miss it poll.
        let _ = self.file.write_at(b"!", 0);
    }

    fn holder(&self) -> Option<u32> {
        let mut text = String::new();
        let mut file = File::open(&self.path).ok()?;
        file.read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }
}

impl Rope {
    /// Rings after the commit.
    pub fn pull(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}
