//! A stream of tasks in portions, each for one call. A thread reads while a call is on its way, and waits
//! when it is a portion ahead: memory is bounded, however long the stream.

use std::io::{BufRead, Read};

use skep_queue::block::CEILING_MAX_PAYLOAD;
use tokio::sync::mpsc;

use crate::{
    cli::{Exit, Failed, Input},
    client::NewTask,
};

/// Most tasks of a call, and about the most bytes.
const MOST: (usize, usize) = (8192, 8 * 1024 * 1024);

/// Portions, until the end or the first error.
pub(super) type Stream = mpsc::Receiver<Result<Vec<NewTask>, Failed>>;

/// JSON lines (or lines of bytes), each a task like `like`. Empty lines are none.
pub(super) fn read(input: Input, like: NewTask) -> Stream {
    let (to, portions) = mpsc::channel(1);
    let mut lines = Lines { input, like, line: 0 };
    // Not one of the runtime's threads: it may wait for a terminal for ever, and is not waited for.
    std::thread::spawn(move || {
        loop {
            let portion = lines.portion();
            let last = !matches!(&portion, Ok(tasks) if !tasks.is_empty());
            let nothing = last && portion.is_ok();
            if nothing || to.blocking_send(portion).is_err() || last {
                return;
            }
        }
    });
    portions
}

/// Tasks that are in memory already.
pub(super) fn few(mut tasks: Vec<NewTask>) -> Stream {
    let (to, portions) = mpsc::channel(tasks.len() / MOST.0 + 1);
    while !tasks.is_empty() {
        let rest = tasks.split_off(tasks.len().min(MOST.0));
        // There is room for all.
        let _ = to.try_send(Ok(std::mem::replace(&mut tasks, rest)));
    }
    portions
}

struct Lines {
    input: Input,
    like: NewTask,
    line: u64,
}

impl Lines {
    /// The next tasks; none at the end. A bad line spoils the portion it is in.
    fn portion(&mut self) -> Result<Vec<NewTask>, Failed> {
        let (mut tasks, mut bytes) = (Vec::new(), 0);
        while tasks.len() < MOST.0 && bytes < MOST.1 {
            let Some(line) = self.next()? else { break };
            bytes += line.len();
            let bad = |error| Failed::new(Exit::Usage, format!("line {}: {error}", self.line));
            tasks.push(self.like.again(line).map_err(bad)?);
        }
        Ok(tasks)
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, Failed> {
        loop {
            let mut line = Vec::new();
            let most = CEILING_MAX_PAYLOAD as u64 + 2;
            let read = self.input.by_ref().take(most).read_until(b'\n', &mut line);
            self.line += 1;
            let at = self.line;
            match read {
                Ok(0) => return Ok(None),
                Ok(n) if n as u64 == most => {
                    let why =
                        format!("line {at} is longer than any payload may be ({CEILING_MAX_PAYLOAD} bytes)");
                    return Err(Failed::new(Exit::Usage, why));
                }
                Ok(_) => {}
                Err(error) => {
                    return Err(Failed::new(Exit::Failed, format!("line {at} cannot be read: {error}")));
                }
            }
            let end = line.iter().rposition(|b| !matches!(b, b'\n' | b'\r')).map_or(0, |last| last + 1);
            line.truncate(end);
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(line));
            }
        }
    }
}
