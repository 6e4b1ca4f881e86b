//! What a process prints: a task's log, never anything that is obeyed. It is always read, so that no
//! process ever waits for the drone; past the caps it is thrown away.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use skep_queue::{Clock, TaskId};
use tokio::{io::AsyncReadExt, net::unix::pipe};

/// Most bytes of a line that are logged.
const MAX_LINE: usize = 8 << 10;
/// Most lines that are logged in a second.
const MAX_RATE: u32 = 1000;
/// How much of the end of stderr goes with a failure.
const TAIL: usize = 4 << 10;

/// One stream of one process. Clones tell of the same.
#[derive(Clone)]
pub(super) struct Log {
    worker: Arc<str>,
    stream: &'static str,
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    task: Option<TaskId>,
    tail: Vec<u8>,
    second: Duration,
    lines: u32,
}

// === impl Log ===

impl Log {
    pub(super) fn new(worker: &Arc<str>, stream: &'static str, clock: &Arc<dyn Clock>) -> Self {
        Self { worker: worker.clone(), stream, clock: clock.clone(), known: Arc::default() }
    }

    /// Whose log it is from here on; `None` when it cannot be told.
    pub(super) fn is_of(&self, task: Option<TaskId>) {
        self.known().task = task;
    }

    /// The last that was printed, as text.
    pub(super) fn tail(&self) -> Option<String> {
        let known = self.known();
        let text = String::from_utf8_lossy(&known.tail).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// Logs until the end of the stream.
    pub(super) async fn pump(self, mut pipe: pipe::Receiver) {
        let mut chunk = vec![0; 16 << 10];
        let mut line = Line::default();
        while let Ok(read @ 1..) = pipe.read(&mut chunk).await {
            self.remember(&chunk[..read]);
            line.split(&chunk[..read], |text| self.line(text));
        }
        line.end(|text| self.line(text));
        let second = self.known().second;
        self.turn(second + Duration::from_secs(1));
    }

    /// Logs what was held back until now.
    pub(super) fn whole(&self, text: &[u8]) {
        let mut line = Line::default();
        line.split(text, |text| self.line(text));
        line.end(|text| self.line(text));
    }

    fn line(&self, text: &[u8]) {
        let task = self.turn(self.clock.elapsed());
        let Some(task) = task else { return };
        let text = shown(text);
        tracing::info!(target: "skep::task", %task, worker = &*self.worker, stream = self.stream, "{text}");
    }

    /// Counts a line; whose it is, or `None` when this second has had its share.
    fn turn(&self, now: Duration) -> Option<String> {
        let mut known = self.known();
        let mut suppressed = 0;
        if now.saturating_sub(known.second) >= Duration::from_secs(1) {
            suppressed = known.lines.saturating_sub(MAX_RATE);
            (known.second, known.lines) = (now, 0);
        }
        known.lines = known.lines.saturating_add(1);
        let within = known.lines <= MAX_RATE;
        let task = known.task.map_or_else(String::new, |task| task.to_string());
        drop(known);
        if suppressed > 0 {
            let (worker, stream) = (&*self.worker, self.stream);
            tracing::info!(target: "skep::task", task, worker, stream, "suppressed {suppressed} lines");
        }
        within.then_some(task)
    }

    fn remember(&self, text: &[u8]) {
        let mut known = self.known();
        known.tail.extend_from_slice(text);
        let excess = known.tail.len().saturating_sub(TAIL);
        known.tail.drain(..excess);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line under way, as much of it as will be logged.
#[derive(Default)]
struct Line {
    text: Vec<u8>,
}

impl Line {
    fn split(&mut self, chunk: &[u8], mut emit: impl FnMut(&[u8])) {
        let mut parts = chunk.split(|&b| b == b'\n').peekable();
        while let Some(part) = parts.next() {
            let room = MAX_LINE.saturating_sub(self.text.len());
            self.text.extend_from_slice(&part[..part.len().min(room)]);
            if parts.peek().is_some() {
                emit(&self.text);
                self.text.clear();
            }
        }
    }

    fn end(&mut self, mut emit: impl FnMut(&[u8])) {
        if !self.text.is_empty() {
            emit(&self.text);
        }
    }
}

/// Text that cannot control a terminal or forge a line.
pub(super) fn shown(text: &[u8]) -> String {
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let mut shown = String::with_capacity(text.len());
    for c in String::from_utf8_lossy(&text[..text.len().min(MAX_LINE)]).chars() {
        if c.is_control() && c != '\t' { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_capped_and_harmless() {
        let mut seen = Vec::new();
        let mut line = Line::default();
        line.split(b"a\nb", |text| seen.push(text.to_vec()));
        line.split(b"c\n", |text| seen.push(text.to_vec()));
        line.split(&vec![b'x'; 3 * MAX_LINE], |text| seen.push(text.to_vec()));
        line.end(|text| seen.push(text.to_vec()));
        assert_eq!((&seen[0][..], &seen[1][..], seen[2].len()), (&b"a"[..], &b"bc"[..], MAX_LINE));
        assert_eq!(shown(b"\x1b[31m\tred\0\xff\r"), "\\u{1b}[31m\tred\\u{0}\u{fffd}");
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let log =
            Log::new(&"w".into(), "stdout", &(Arc::new(skep_queue::clock::SystemClock) as Arc<dyn Clock>));
        let at = Duration::from_secs(100);
        let logged = (0..5000).filter(|_| log.turn(at).is_some()).count();
        assert_eq!(logged, 1000);
        assert!(log.turn(at + Duration::from_secs(1)).is_some());
    }
}
