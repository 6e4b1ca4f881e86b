//! One process from its start to its end: the only owner of its child, its stdin and its tasks. It waits for
//! many things at once and handles one at a time.

use std::{future::pending, pin::Pin, process::ExitStatus, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use skep_queue::{Cause, TaskId};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Sleep, sleep, timeout},
};
use tokio_util::codec::AnyDelimiterCodecError;

use super::{
    flight::{Ended, Fate, Flights},
    keep::End,
    pool::Pool,
    start::Started,
};
use crate::{
    duration::Written,
    worker::{
        Run, Verdict,
        ladder::{Ladder, Nudge, in_words},
        output::shown,
        wire::{MAX_LINE, Order},
    },
};

/// How long the pipes of an ended process are read, in case another holds them open.
const DRAIN: Duration = Duration::from_secs(2);

mod hear;

struct Serving<'a> {
    pool: &'a Pool,
    slot: usize,
    process: Started,
    runs: Option<UnboundedReceiver<Run>>,
    flights: Flights,
    ladder: Ladder,
    /// Until `hello`: the start timeout; while there is work: the hung timeout.
    patience: Option<Pin<Box<Sleep>>>,
    said_hello: bool,
    replies_ended: bool,
    dismissed: bool,
    taken: u64,
    garbage: u32,
    /// Why the drone ended the process, if it did.
    doom: Option<(Cause, String)>,
}

enum Event {
    Line(Option<Result<Bytes, AnyDelimiterCodecError>>),
    Exit(std::io::Result<ExitStatus>),
    Nudge(TaskId, Nudge),
    Run(Run),
    Rung,
    Silence,
    Halt,
    Written,
}

/// Serves until the process has ended and each of its tasks has its verdict.
pub(super) async fn serve(pool: &Arc<Pool>, slot: usize, process: Started) -> End {
    let mut serving = Serving {
        pool,
        slot,
        process,
        runs: None,
        flights: Flights::default(),
        ladder: Ladder::new(pool.config.kill_after),
        patience: Some(Box::pin(sleep(pool.config.start_timeout))),
        said_hello: false,
        replies_ended: false,
        dismissed: false,
        taken: 0,
        garbage: 0,
        doom: None,
    };
    let status = loop {
        match serving.next().await {
            Event::Exit(status) => break status,
            event => serving.handle(event),
        }
    };
    let status = status.map_or_else(|error| format!("lost track of it: {error}"), in_words);
    serving.end(&status).await
}

impl Serving<'_> {
    /// Safe to drop, as each arm is.
    async fn next(&mut self) -> Event {
        let halt = &self.pool.halt;
        tokio::select! {
            biased;
            line = self.process.replies.next(), if !self.replies_ended => Event::Line(line),
            status = self.process.child.exited() => Event::Exit(status),
            (id, nudge) = std::future::poll_fn(|cx| self.flights.poll_nudge(cx)) => Event::Nudge(id, nudge),
            run = received(self.runs.as_mut()) => Event::Run(run),
            () = self.process.inlet.write_on() => Event::Written,
            () = self.ladder.due() => Event::Rung,
            () = elapsed(self.patience.as_mut()) => Event::Silence,
            () = halt.cancelled(), if !self.dismissed => Event::Halt,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Line(Some(Ok(line))) => self.line(&line),
            Event::Line(Some(Err(AnyDelimiterCodecError::MaxChunkLengthExceeded))) => {
                let limit = format!("the worker sent a line of more than {MAX_LINE} bytes");
                self.give_up(Cause::Protocol, limit);
            }
            Event::Line(_) => self.replies_ended(),
            Event::Nudge(id, nudge) => self.nudged(id, nudge),
            Event::Run(run) => self.take(run),
            Event::Rung => self.ladder.climb(&self.process.child),
            Event::Silence => self.silent(),
            Event::Halt => self.dismiss(),
            Event::Written | Event::Exit(_) => {}
        }
    }

    // --- what happens to its tasks ---

    fn take(&mut self, run: Run) {
        if self.replies_ended || self.dismissed || self.doom.is_some() {
            return run.finish(Verdict::NotStarted);
        }
        match Order::Run(run.task()).encode() {
            Ok(line) => self.process.inlet.push(line),
            Err(text) => {
                run.finish(Verdict::hopeless(Cause::Protocol, text));
                return self.pool.free(self.slot);
            }
        }
        self.taken += 1;
        self.flights.add(run);
        if self.flights.len() == 1 {
            self.heard();
        }
        let only = self.flights.only();
        self.process.logs.iter().for_each(|log| log.is_of(only));
        if self.pool.config.max_tasks.is_some_and(|max| self.taken >= max) {
            self.pool.close(self.slot);
        }
    }

    /// A task has its verdict.
    fn landed(&mut self) {
        self.heard();
        // What is printed after the last answer is still that task's.
        if let Some(only) = self.flights.only() {
            self.process.logs.iter().for_each(|log| log.is_of(Some(only)));
        }
        let worn = self.pool.config.max_tasks.is_some_and(|max| self.taken >= max);
        if worn && self.flights.len() == 0 && self.runs.as_ref().is_none_or(UnboundedReceiver::is_empty) {
            return self.dismiss();
        }
        self.pool.free(self.slot);
    }

    fn nudged(&mut self, id: TaskId, nudge: Nudge) {
        let grace = self.pool.config.kill_after;
        let Some(flight) = self.flights.get(id) else { return };
        match nudge {
            Nudge::Stop(_) => {
                flight.stopping(grace);
                if let Ok(line) = Order::Cancel(id).encode() {
                    self.process.inlet.push(line);
                }
            }
            Nudge::TimedOut(after) => {
                flight.fate = Fate::TimedOut(after);
                self.terminate(format!("its process was ended: task {id} beside it ran out of time"));
            }
            Nudge::Overdue => {
                self.terminate(format!("its process was ended: task {id} beside it would not stop"));
            }
        }
    }

    fn silent(&mut self) {
        self.patience = None;
        if !self.said_hello {
            let waited = Written(self.pool.config.start_timeout);
            return self.terminate(format!("no hello within {waited}"));
        }
        let silence = self.pool.config.hung_timeout.unwrap_or_default();
        self.flights.iter().filter(|flight| flight.fate == Fate::Open).for_each(|flight| {
            flight.fate = Fate::Hung(silence);
        });
        self.terminate(format!("no sign of life for {}", Written(silence)));
    }

    // --- its end ---

    /// Lets it finish and exit; the ladder follows if it does not.
    fn dismiss(&mut self) {
        self.dismissed = true;
        self.pool.close(self.slot);
        if let Ok(line) = Order::Stop.encode() {
            self.process.inlet.push(line);
        }
        self.process.inlet.close();
        self.ladder.ask();
    }

    fn terminate(&mut self, why: String) {
        self.pool.close(self.slot);
        self.doom.get_or_insert((Cause::Exited, why));
        self.ladder.term(&self.process.child);
    }

    /// It cannot be talked to: no grace.
    fn give_up(&mut self, cause: Cause, why: String) {
        self.pool.close(self.slot);
        self.doom.get_or_insert((cause, why));
        self.replies_ended = true;
        self.ladder.kill(&self.process.child);
    }

    async fn end(mut self, status: &str) -> End {
        self.pool.close(self.slot);
        // Its group is gone already; from the last rung on, a late hello opens nothing.
        self.ladder.kill(&self.process.child);
        // What it said before it ended counts, unless another process holds the pipes open.
        let drained = timeout(DRAIN, async {
            while let Some(line) = self.process.replies.next().await {
                match line {
                    Ok(line) if !self.replies_ended => self.line(&line),
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
            for pump in &mut self.process.pumps {
                let _ = pump.await;
            }
        });
        let _ = drained.await;
        self.process.pumps.iter().for_each(tokio::task::JoinHandle::abort);
        self.abandon(status);
        if self.dismissed || self.taken > 0 { End::Well } else { End::Useless(self.complaint(status)) }
    }

    fn abandon(&mut self, status: &str) {
        let trace = self.process.logs[1].tail();
        let (cause, text) = match self.doom.clone() {
            Some(doom) => doom,
            None => (Cause::Exited, format!("the worker process ended before it answered: {status}")),
        };
        let ended = Ended { cause, text, trace };
        self.flights.drain().for_each(|flight| flight.abandoned(&ended));
        if let Some(runs) = &mut self.runs {
            runs.close();
            while let Ok(run) = runs.try_recv() {
                run.finish(Verdict::NotStarted);
            }
        }
    }

    /// Why it was of no use, in words.
    fn complaint(&self, status: &str) -> String {
        let argv = self.pool.config.argv.join(" ");
        let when = if self.said_hello { "before its first task" } else { "before it said hello" };
        let why = self.doom.as_ref().map_or(String::new(), |(_, why)| format!(" ({why})"));
        let last = self.process.logs[1].tail().and_then(|tail| tail.lines().last().map(str::to_owned));
        let last = last.map_or(String::new(), |last| format!(": {}", shown(last.as_bytes())));
        format!("{argv}: {status} {when}{why}{last}")
    }
}

async fn received(runs: Option<&mut UnboundedReceiver<Run>>) -> Run {
    match runs {
        Some(runs) => match runs.recv().await {
            Some(run) => run,
            // The slot is closed: nothing more comes.
            None => pending().await,
        },
        None => pending().await,
    }
}

async fn elapsed(patience: Option<&mut Pin<Box<Sleep>>>) {
    match patience {
        Some(patience) => patience.await,
        None => pending().await,
    }
}
