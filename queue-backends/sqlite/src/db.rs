//! `Db`: one thread owns a SQLite connection and commits in groups. What waits while the previous commit
//! reaches the disk goes into the next one, so the cost of an fsync is shared without a timer.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use crate::{
    error::Error,
    lock::FileLock,
    open::{prepare, set_synchronous, tune},
    place,
};

/// Most commands in one transaction: bounds how long the first of them waits for the last.
const GROUP: usize = 256;
/// How long a caller waits for its turn. A commit takes milliseconds: somebody stands in the way.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
/// SQLite before this can corrupt a WAL file that several connections use.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file; made when missing. Its folder must exist.
    pub path: PathBuf,
    /// Who else may open it.
    pub sharing: Sharing,
    /// Whether a commit waits for the disk from the start; see [`Db::set_durable`].
    pub durable: bool,
    /// Marks the file as this application's (`PRAGMA application_id`).
    pub application: i32,
    /// Schema, step by step; `PRAGMA user_version` counts those done.
    pub migrations: &'static [&'static str],
    /// Whether to open a file on a network file system, where SQLite's locks do not hold.
    pub allow_network: bool,
    /// Whether to look for damage at once (`PRAGMA quick_check`), which takes time in a large file.
    pub check: bool,
}

/// Who may open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody else: a second opener gets [`Error::InUse`].
    Exclusive,
    /// Several processes, which take turns by a lock file beside it.
    Shared,
}

/// A handle to a database; clones share its threads, which end with the last of them.
#[derive(Clone)]
pub struct Db {
    writer: mpsc::Sender<Box<dyn Job>>,
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    lock: FileLock,
    durable: AtomicBool,
    /// Opened when first used; only for a shared file.
    reader: OnceLock<Mutex<mpsc::Sender<Box<dyn Job>>>>,
    /// Answers (with an error) when the writer thread has closed its connection.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

/// A unit of work and the way back to whoever waits for it.
trait Job: Send {
    /// May be called again, alone, when another job of its group failed.
    fn run(&mut self, connection: &Connection) -> Result<(), Error>;
    /// Whether its answer is a promise that must survive a power cut.
    fn durable(&self) -> bool;
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

struct Call<F, T> {
    durable: bool,
    work: F,
    output: Option<T>,
    reply: oneshot::Sender<Result<T, Error>>,
}

// === impl Db ===

impl Db {
    /// Opens the file, brings its schema up to date, and starts the writer thread.
    ///
    /// # Errors
    /// Whatever is wrong with the place or the file, each with a message that says what to do.
    pub fn open(config: Config) -> Result<Self, Error> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(Error::OldSqlite(rusqlite::version()));
        }
        place::check(&config.path, config.allow_network)?;
        let lock = FileLock::open(&config.path)?;
        if config.sharing == Sharing::Exclusive {
            lock.hold()?;
        }
        let connection = prepare(&config, &lock).map_err(|error| error.damage_of(&config.path))?;
        let durable = AtomicBool::new(config.durable);
        let (end, ended) = oneshot::channel();
        let ended = Mutex::new(Some(ended));
        let shared = Arc::new(Shared { config, lock, durable, reader: OnceLock::new(), ended });
        let writer = start("skep-db", connection, Some(end), {
            let shared = Arc::clone(&shared);
            let mut durable = shared.config.durable;
            move |connection, group| shared.commit(connection, group, &mut durable)
        })?;
        Ok(Self { writer, shared })
    }

    /// Runs `work` in a transaction and returns when it is committed. Work that fails leaves nothing behind,
    /// and does not touch what shared its transaction; it may then be run a second time, alone.
    ///
    /// # Errors
    /// What `work` answers, or what the commit met.
    pub async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Error> + Send + 'static,
    {
        send(&self.writer, true, work).await
    }

    /// Like [`Db::write`], but does not wait for the disk: a power cut (not a crash) may undo it, unless a
    /// durable write came after it, also one that changes nothing. For what can be found out again.
    ///
    /// # Errors
    /// What `work` answers, or what the commit met.
    pub async fn write_lazily<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Error> + Send + 'static,
    {
        send(&self.writer, false, work).await
    }

    /// Runs `work` on a snapshot, beside the writer; on an exclusive file, in the writer's turn.
    ///
    /// # Errors
    /// What `work` answers.
    pub async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Error> + Send + 'static,
    {
        if self.shared.config.sharing == Sharing::Exclusive {
            return self.write_lazily(work).await;
        }
        let reader = self.reader()?;
        send(&reader, false, work).await
    }

    /// Whether commits from now on wait for the disk (`synchronous = FULL`). The first that does makes all
    /// before it durable too.
    pub fn set_durable(&self, durable: bool) {
        self.shared.durable.store(durable, Ordering::Relaxed);
    }

    /// Returns when the last clone is gone and the file is closed; the next opener finds it free.
    pub async fn close(self) {
        let Self { writer, shared } = self;
        let ended = shared.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        drop(writer);
        if let Some(ended) = ended {
            let _ = ended.await;
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.config.path
    }

    /// The lock file beside it, which doubles as the doorbell of a shared file.
    #[must_use]
    pub fn lock(&self) -> &FileLock {
        &self.shared.lock
    }

    fn reader(&self) -> Result<mpsc::Sender<Box<dyn Job>>, Error> {
        if let Some(reader) = self.shared.reader.get() {
            return Ok(reader.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.path(), flags)?;
        connection.pragma_update(None, "query_only", true)?;
        tune(&connection)?;
        let reader = start("skep-db-read", connection, None, |connection, group| {
            for mut job in group {
                let done = transact(connection, "BEGIN", false, std::slice::from_mut(&mut job));
                job.answer(done);
            }
        })?;
        Ok(self.shared.reader.get_or_init(|| Mutex::new(reader.clone())).lock().map_or(reader, |r| r.clone()))
    }
}

// === impl Shared ===

impl Shared {
    fn commit(&self, connection: &Connection, mut group: Vec<Box<dyn Job>>, durable: &mut bool) {
        let done = self.turn(connection, &mut group, durable);
        if done.is_err() && group.len() > 1 {
            // One bad job must not fail its neighbours: each gets a transaction of its own.
            for job in group {
                let mut alone = vec![job];
                let done = self.turn(connection, &mut alone, durable);
                alone.into_iter().for_each(|job| job.answer(done.clone()));
            }
        } else {
            group.into_iter().for_each(|job| job.answer(done.clone()));
        }
    }

    fn turn(
        &self,
        connection: &Connection,
        group: &mut [Box<dyn Job>],
        durable: &mut bool,
    ) -> Result<(), Error> {
        let wanted = self.durable.load(Ordering::Relaxed) && group.iter().any(|job| job.durable());
        if wanted != *durable {
            set_synchronous(connection, wanted)?;
            *durable = wanted;
        }
        // busy_timeout alone starves writers for seconds: the lock file is a fair queue.
        let turn = (self.config.sharing == Sharing::Shared).then(|| self.lock.turn()).transpose()?;
        transact(connection, "BEGIN IMMEDIATE", wanted, group)?;
        drop(turn);
        // Before anybody here is answered: those who wait for work are woken while the answer travels.
        self.lock.committed();
        Ok(())
    }
}

// === impl Call ===

impl<F, T> Job for Call<F, T>
where
    T: Send,
    F: FnMut(&Connection) -> Result<T, Error> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Error> {
        let work = std::panic::AssertUnwindSafe(|| (self.work)(connection));
        let output = std::panic::catch_unwind(work).unwrap_or(Err(Error::Panicked))?;
        self.output = Some(output);
        Ok(())
    }

    fn durable(&self) -> bool {
        self.durable
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let Self { work, output, reply, .. } = *self;
        // First, so that whoever asked has back what it shared with the work.
        drop(work);
        // Whoever asked may have gone; what is committed stays so.
        let _ = reply.send(committed.and_then(|()| output.ok_or(Error::Closed)));
    }
}

async fn send<T, F>(to: &mpsc::Sender<Box<dyn Job>>, durable: bool, work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnMut(&Connection) -> Result<T, Error> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    to.send(Box::new(Call { durable, work, output: None, reply })).map_err(|_| Error::Closed)?;
    // Whoever holds the file's lock may be frozen: the work waits for it all the same, the caller does not.
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answered) => answered.map_err(|_| Error::Closed)?,
        Err(_) => Err(Error::Busy(PATIENCE)),
    }
}

fn start(
    name: &str,
    connection: Connection,
    end: Option<oneshot::Sender<()>>,
    mut serve: impl FnMut(&Connection, Vec<Box<dyn Job>>) + Send + 'static,
) -> Result<mpsc::Sender<Box<dyn Job>>, Error> {
    let (sender, jobs) = mpsc::channel::<Box<dyn Job>>();
    let work = move || {
        while let Ok(first) = jobs.recv() {
            let mut group = vec![first];
            group.extend(jobs.try_iter().take(GROUP - 1));
            serve(&connection, group);
        }
        drop((serve, connection));
        drop(end);
    };
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|e| Error::Io(e.to_string()))?;
    Ok(sender)
}

/// Runs a group in one transaction. A `durable` one that changes nothing writes all the same, since SQLite syncs no
/// empty commit, and others may have come before it that did not wait for the disk.
fn transact(
    connection: &Connection,
    begin: &str,
    durable: bool,
    group: &mut [Box<dyn Job>],
) -> Result<(), Error> {
    connection.execute_batch(begin)?;
    let before = connection.total_changes();
    let done = group.iter_mut().try_for_each(|job| job.run(connection)).and_then(|()| {
        if durable && connection.total_changes() == before {
            let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            connection.pragma_update(None, "user_version", version)?;
        }
        Ok(connection.execute_batch("COMMIT")?)
    });
    if done.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    done
}
