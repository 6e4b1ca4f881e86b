//! The spool's file: where it lies, how it is opened, and what is done with one that is damaged.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::PoisonError,
};

use skep_sqlite::{Connection, Db, Error as DbError, Sharing};

use super::{Bounds, Error, OPENING, Spool, look};
use crate::apart::apart;

/// How a spool is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file; its folder is made with it.
    pub path: PathBuf,
    /// What it may hold. They are written into the file, for all who use it; when absent, those that are in
    /// it hold, or else the default.
    pub bounds: Option<Bounds>,
    /// Allow a network file system.
    pub allow_network: bool,
}

/// An open file, and which it is: somebody may put it aside, and begin another.
pub(super) struct Opened {
    db: Db,
    file: Option<(u64, u64)>,
}

/// Where the spool of a user lies who names none: `$XDG_STATE_HOME/skep/spool.db`, else
/// `$HOME/.local/state/skep/spool.db`, else `/var/lib/skep/spool.db`.
#[must_use]
pub fn default_path(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    state.unwrap_or_else(|| "/var/lib".into()).join("skep/spool.db")
}

impl Config {
    /// A spool at this path.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), bounds: None, allow_network: false }
    }
}

#[cfg(test)]
impl Opened {
    pub(super) async fn close(self) {
        self.db.close().await;
    }
}

// === impl Spool ===

impl Spool {
    /// Writes in a transaction, making the file when it is not there. A file that turns out to be damaged is
    /// put aside, and the work done in a new one.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, DbError> + Send + Clone + 'static,
    {
        for last in [false, true] {
            let Some(db) = self.db(true).await? else { break };
            match db.write(work.clone()).await {
                Err(DbError::Corrupt(why)) if !last => {
                    drop(db);
                    self.replace(&why).await?;
                }
                done => return done.map_err(|why| self.wrong(why)),
            }
        }
        Err(self.wrong(DbError::Closed))
    }

    /// Looks, when there is a file.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<Option<T>, Error>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, DbError> + Send + 'static,
    {
        let Some(db) = self.db(false).await? else { return Ok(None) };
        let done = db.read(work).await;
        drop(db);
        if let Err(DbError::Corrupt(why)) = &done {
            // For the next one.
            self.replace(why).await?;
        }
        done.map(Some).map_err(|why| self.wrong(why))
    }

    /// The database; none when there is no file and none is to be made.
    pub(super) async fn db(&self, make: bool) -> Result<Option<Db>, Error> {
        let mut opened = self.inner.opened.lock().await;
        if let Some(opened) = opened.as_ref().filter(|opened| opened.file == identity(self.path())) {
            return Ok(Some(opened.db.clone()));
        }
        *opened = None;
        if !make && !self.exists() {
            return Ok(None);
        }
        let new = match self.open().await {
            // A statement that fails on a file that was just checked has met damage, too.
            Err(DbError::Corrupt(why) | DbError::Sql(why)) => self.replaced(&why).await,
            other => other,
        };
        let db = new.map_err(|why| self.wrong(why))?;
        *opened = Some(Opened { db: db.clone(), file: identity(self.path()) });
        Ok(Some(db))
    }

    /// Whether the file that was opened is still the one at the path.
    pub(super) async fn is_current(&self) -> bool {
        let opened = self.inner.opened.lock().await;
        opened.as_ref().is_some_and(|opened| opened.file == identity(self.path()))
    }

    async fn replace(&self, why: &str) -> Result<(), Error> {
        let mut opened = self.inner.opened.lock().await;
        if let Some(opened) = opened.take() {
            opened.db.close().await;
        }
        let db = self.replaced(why).await.map_err(|why| self.wrong(why))?;
        *opened = Some(Opened { db, file: identity(self.path()) });
        Ok(())
    }

    /// Puts the file aside, unless somebody else has done so, and opens a new one.
    async fn replaced(&self, why: &str) -> Result<Db, DbError> {
        let lock = open_lock(&beside(self.path(), ".aside-lock"))?;
        lock.lock().map_err(|e| DbError::Io(e.to_string()))?;
        if let Ok(db) = self.open().await {
            return Ok(db);
        }
        let path = self.path();
        let aside = beside(path, &format!(".corrupt-{}", self.inner.clock.now().micros()));
        tracing::error!(path = %path.display(), aside = %aside.display(), why,
            "the spool is damaged: set aside, and begun anew; what was in it is not delivered");
        fs::rename(path, &aside).map_err(|e| DbError::Io(format!("{}: {e}", path.display())))?;
        // What the log holds belongs to the file that is aside.
        for suffix in ["-wal", "-shm"] {
            let _ = fs::rename(beside(path, suffix), beside(&aside, suffix));
        }
        *self.inner.aside.lock().unwrap_or_else(PoisonError::into_inner) = Some(aside);
        self.open().await
    }

    /// Opens the file on a thread of its own, since that may wait for a process that stands still.
    async fn open(&self) -> Result<Db, DbError> {
        let config = self.inner.config.clone();
        let opening = apart("skep-spool", move || open(&config));
        let db = match tokio::time::timeout(OPENING, opening).await {
            Ok(opened) => opened.map_err(|_| DbError::Closed)??,
            Err(_) => return Err(DbError::Busy(OPENING)),
        };
        db.read(look::probe).await?;
        if let Some(bounds) = self.inner.config.bounds {
            db.write(move |c| look::set_bounds(c, bounds)).await?;
        }
        Ok(db)
    }
}

fn open(config: &Config) -> Result<Db, DbError> {
    let path = &config.path;
    make_place(path)?;
    // Whether a spool was here before: what is no database else is somebody's file, and not ours to move.
    let lock = beside(path, ".lock");
    let ours = lock.exists();
    let opened = Db::open(skep_sqlite::Config {
        path: path.clone(),
        sharing: Sharing::Shared,
        durable: true,
        application: skep_migrations::SPOOL_APPLICATION,
        migrations: skep_migrations::SPOOL,
        allow_network: config.allow_network,
        check: true,
    });
    match opened {
        Err(DbError::Place { why, .. }) if ours && why.contains("not a SQLite database") => {
            Err(DbError::Corrupt(why))
        }
        Err(error) if !ours => {
            let _ = fs::remove_file(lock);
            Err(match error {
                DbError::Corrupt(why) => DbError::Place { path: path.clone(), why },
                other => other,
            })
        }
        other => other,
    }
}

/// The folder, and an empty file that nobody else can read: payloads are nobody's business.
fn make_place(path: &Path) -> Result<(), DbError> {
    let wrong = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::StorageFull => DbError::Full(e.to_string()),
        _ => DbError::Place { path: path.to_owned(), why: format!("cannot be made: {e}") },
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(wrong)?;
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(wrong(e)),
        _ => Ok(()),
    }
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    beside.into()
}

pub(super) fn open_lock(path: &Path) -> Result<File, DbError> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|e| DbError::Io(format!("{}: {e}", path.display())))
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}
