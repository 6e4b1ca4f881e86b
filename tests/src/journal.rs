//! The witness: what handlers, and a wrapper next to the queue, write down of what they saw. Append only,
//! one line an entry; `kill -9` may tear the last line of a process, and harms no other.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use skep_queue::{ClaimId, Clock, Outcome, TaskId, clock::SystemClock};

/// Names the journal, in the environment of worker processes.
pub const VARIABLE: &str = "SKEP_TEST_JOURNAL";

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Entry {
    /// A handler begins.
    Begin(Run),
    /// It is about to answer.
    End(Run),
    /// The queue handed a task out.
    Claimed {
        /// Which.
        task: TaskId,
        /// Under which claim.
        claim: ClaimId,
        /// And which fence.
        fence: u32,
        /// To which process.
        pid: u32,
        /// When the answer was there.
        at: u64,
    },
    /// The queue answered a settle.
    Settled(Settled),
    /// Somebody is about to submit a task.
    Offered {
        /// Which.
        task: TaskId,
    },
    /// The queue has acknowledged it.
    Submitted {
        /// Which.
        task: TaskId,
    },
}

/// One run of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Run {
    /// Which task.
    pub task: TaskId,
    /// From 1.
    pub attempt: u16,
    /// Rises with every claim.
    pub fence: u32,
    /// The process that runs it.
    pub pid: u32,
    /// Microseconds since the machine started.
    pub at: u64,
}

/// One answer to a settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Which task.
    pub task: TaskId,
    /// The claim that settled.
    pub claim: ClaimId,
    /// See [`Outcome::tag`].
    pub tag: u8,
    /// What came of it.
    pub verdict: Verdict,
    /// When it was asked.
    pub asked: u64,
}

/// What the queue made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is so.
    Accepted,
    /// It was so.
    Already,
    /// Another was there first, or the task is not kept.
    Late,
}

/// A journal to write to.
#[derive(Debug)]
pub struct Journal(File);

impl Settled {
    /// Whether it ended the task for good.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        let cancelled = skep_queue::Failure::new(skep_queue::Cause::Cancelled, "");
        let terminal = [
            Outcome::done().tag(),
            Outcome::Discard { failure: cancelled.clone() }.tag(),
            Outcome::Cancel { failure: cancelled }.tag(),
        ];
        terminal.contains(&self.tag)
    }
}

impl Journal {
    /// Opens a journal, or makes it.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    /// Appends entries in one write, each after a line break: a torn line spoils nobody's.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn append(&self, entries: &[Entry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            lines.push(b'\n');
            serde_json::to_writer(&mut lines, entry)?;
        }
        (&self.0).write_all(&lines)
    }
}

/// Reads a journal: its entries, and how many lines were torn.
///
/// # Errors
/// When the file cannot be read.
pub fn read(path: &Path) -> io::Result<(Vec<Entry>, usize)> {
    Ok(parse(&std::fs::read(path)?))
}

/// Reads a part of a journal.
#[must_use]
pub fn parse(bytes: &[u8]) -> (Vec<Entry>, usize) {
    let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()).collect();
    let entries: Vec<Entry> = lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let torn = lines.len() - entries.len();
    (entries, torn)
}

/// The clock of the journal: the same for every process of the machine.
#[must_use]
pub fn now() -> u64 {
    micros(SystemClock.elapsed())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
