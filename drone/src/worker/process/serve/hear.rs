//! What a process says, and what is not listened to.

use skep_queue::{Cause, TaskId};
use tokio::time::sleep;

use super::Serving;
use crate::worker::{
    ladder::Rung,
    output::shown,
    wire::{Hello, Malformed, Note, PROTO, Reply},
};

/// Lines in a row that are no messages, before the process is given up.
const MAX_GARBAGE: u32 = 100;
impl Serving<'_> {
    pub(super) fn line(&mut self, line: &[u8]) {
        match Reply::decode(line) {
            Ok(reply) => self.reply(reply, line),
            Err(malformed) => self.malformed(line, &malformed),
        }
    }

    fn reply(&mut self, reply: Reply, line: &[u8]) {
        let id = match &reply {
            Reply::Hello(hello) if self.said_hello => {
                let text = format!("hello again, from {:?}", hello.pid);
                return self.malformed(line, &Malformed { ends: None, text });
            }
            Reply::Hello(hello) if hello.proto != PROTO => {
                let text = format!("the worker speaks protocol {}, not {PROTO}", hello.proto);
                return self.give_up(Cause::Protocol, text);
            }
            Reply::Hello(hello) => return self.hello(hello),
            Reply::Alive { id, note, headway } => {
                note.iter().for_each(|note| log(*id, &self.pool.name, note));
                if let (Some(headway), Some(flight)) = (headway, self.flights.get(*id)) {
                    flight.tell(headway.clone());
                }
                return self.heard();
            }
            Reply::Fail(fail) => fail.id,
            Reply::Done { id, .. } | Reply::Snooze { id, .. } => *id,
        };
        match self.flights.take(id) {
            Some(flight) => {
                flight.answered(reply);
                self.landed();
            }
            None => self.malformed(line, &Malformed { ends: None, text: format!("it has no task {id}") }),
        }
    }

    fn hello(&mut self, hello: &Hello) {
        self.said_hello = true;
        let (worker, pid) = (&*self.pool.name, self.process.child.id());
        tracing::debug!(worker, slot = self.slot, pid, says = ?hello, "a worker process is ready");
        let concurrency = hello.concurrency.clamp(1, self.pool.config.concurrency.max(1));
        if !self.dismissed && self.ladder.rung() == Rung::Ground {
            self.runs = Some(self.pool.open(self.slot, concurrency));
        }
        self.heard();
    }

    /// A message came: the process is alive, and knows the protocol.
    pub(super) fn heard(&mut self) {
        self.garbage = 0;
        let hung = self.pool.config.hung_timeout.filter(|_| self.flights.len() > 0);
        self.patience = hung.map(|hung| Box::pin(sleep(hung)));
    }

    /// Not a message, or a broken one: logged, never obeyed.
    fn malformed(&mut self, line: &[u8], malformed: &Malformed) {
        self.garbage += 1;
        let shown = shown(&line[..line.len().min(200)]);
        tracing::warn!(target: "skep::task", worker = &*self.pool.name, line = shown, "ignored on fd 3: {malformed}");
        if let Some(flight) = malformed.ends.and_then(|id| self.flights.take(id)) {
            flight.misanswered(&format!("the worker sent an answer that is not well formed: {malformed}"));
            self.landed();
        } else if self.garbage >= MAX_GARBAGE {
            let text =
                format!("{MAX_GARBAGE} lines in a row on fd 3 were no messages; the last: {malformed}");
            self.give_up(Cause::Protocol, text);
        }
    }

    /// Without fd 3 it can answer nothing: usually it is about to exit.
    pub(super) fn replies_ended(&mut self) {
        self.replies_ended = true;
        self.pool.close(self.slot);
        self.ladder.ask();
    }
}

fn log(task: TaskId, worker: &str, note: &Note) {
    let text = shown(note.text.as_bytes());
    match &*note.level {
        "error" => tracing::error!(target: "skep::task", %task, worker, "{text}"),
        "warn" | "warning" => tracing::warn!(target: "skep::task", %task, worker, "{text}"),
        "debug" | "trace" => tracing::debug!(target: "skep::task", %task, worker, "{text}"),
        _ => tracing::info!(target: "skep::task", %task, worker, "{text}"),
    }
}
