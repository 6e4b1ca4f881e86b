//! One live link, as the client sees it: requests go out, and each answer finds who asked.

use std::{
    collections::HashMap,
    io::ErrorKind,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use skep_queue::{Error, Result};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::place::Failure;
use crate::{
    link::{AnyPipe, Receiver, Sender, Writer, link},
    software,
    wire::{
        self, Answer, Hello, Note, Reply, Request, VERSIONS, Welcome,
        frame::{FrameError, MAX_MESSAGE, NOTE},
    },
};

/// How long the first answer may take.
const HELLO: Duration = Duration::from_secs(5);
/// How often something is said within a heartbeat, so that a late word does no harm.
const PINGS: u32 = 2;
/// Heartbeats of silence after which a link is dead.
const SILENCE: u32 = 3;
/// The shortest heartbeat that is believed.
const SHORTEST: Duration = Duration::from_millis(10);

/// What comes back for one request: notes, then the answer.
enum Heard {
    Note(Note),
    Reply(Bytes),
}

/// One link. It ends by itself when the peer is gone, and when it is dropped.
pub(super) struct Connection {
    sender: Sender,
    shared: Arc<Shared>,
    /// What the peer says it is.
    pub(super) software: String,
}

/// What the link's tasks and those who ask work with.
#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    ended: CancellationToken,
    /// Why it ended; there before `ended` is cancelled.
    why: OnceLock<String>,
    /// Whether anything that somebody asked has been answered.
    answered: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    last: u32,
    asked: HashMap<u32, mpsc::UnboundedSender<Heard>>,
}

/// A request under way. Dropped before its end, the manager is told to forget it.
struct Asked<'a> {
    connection: &'a Connection,
    id: u32,
    heard: mpsc::UnboundedReceiver<Heard>,
    /// Whether the manager may be told to forget it: what claims or stores must run to its end.
    forget: bool,
}

impl Connection {
    /// Says hello on a pipe whose peer is known; its tasks run in `tasks`.
    pub(super) async fn open(pipe: AnyPipe, tasks: &TaskTracker) -> std::result::Result<Self, Failure> {
        let (receiver, sender, writer) = link(pipe);
        let mut receiver = receiver.of_answers();
        let mut connection = Self { sender, shared: Arc::default(), software: String::new() };
        tasks.spawn(write(writer, Arc::clone(&connection.shared)));
        let heartbeat = connection.hello(&mut receiver).await?;
        let (shared, sender) = (Arc::clone(&connection.shared), connection.sender.clone());
        tasks.spawn(live(receiver, sender, shared, heartbeat.max(SHORTEST)));
        Ok(connection)
    }

    async fn hello(&mut self, receiver: &mut Receiver) -> std::result::Result<Duration, Failure> {
        let hello = Request::Hello(Hello { versions: VERSIONS.to_vec(), software: software() });
        let hello = wire::encode(&hello).map_err(|error| Failure::Refused(error.to_string()))?;
        let id = self.shared.waiting().free();
        self.sender.send(id, 0, hello, None);
        let frame = match timeout(HELLO, receiver.next()).await {
            Ok(Ok(Some(frame))) => frame,
            Ok(Ok(None)) => return Err(Failure::Away("it hung up instead of saying hello".into())),
            Ok(Err(error)) => return Err(Failure::Away(error.to_string())),
            Err(_) => return Err(Failure::Away("it does not say hello".into())),
        };
        match wire::decode(&frame.bytes) {
            Ok(Reply::Ok(Answer::Welcome(Welcome { heartbeat, software, .. }))) => {
                self.software = software;
                Ok(heartbeat)
            }
            Ok(Reply::Error(Error::Refused(why))) => Err(Failure::Refused(why)),
            Ok(Reply::Error(error)) => Err(Failure::Away(error.to_string())),
            Ok(Reply::Ok(_)) => Err(Failure::Refused("it answered something else to hello".into())),
            Err(error) => Err(Failure::Refused(error.to_string())),
        }
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(&self, request: &Request) -> Result<Answer> {
        self.ask_noting(request, |_| {}).await
    }

    /// The same, and hands on what is said on the way.
    pub(super) async fn ask_noting(&self, request: &Request, mut note: impl FnMut(Note)) -> Result<Answer> {
        let bytes = wire::encode(request)?;
        if bytes.len() > MAX_MESSAGE {
            let size = bytes.len();
            return Err(Error::Refused(format!(
                "{size} bytes at once: a manager takes {MAX_MESSAGE}, so send less"
            )));
        }
        let mut asked = self.begin(bytes, request.waits())?;
        loop {
            match asked.heard.recv().await {
                Some(Heard::Note(heard)) => note(heard),
                Some(Heard::Reply(bytes)) => {
                    return match wire::decode(&bytes) {
                        Ok(Reply::Ok(answer)) => Ok(answer),
                        Ok(Reply::Error(error)) => Err(error),
                        Err(error) => Err(Error::Unavailable(format!("from the manager: {error}"))),
                    };
                }
                None => return Err(self.lost()),
            }
        }
    }

    fn begin(&self, bytes: Bytes, forget: bool) -> Result<Asked<'_>> {
        let (sender, heard) = mpsc::unbounded_channel();
        let id = self.shared.waiting().add(sender);
        let asked = Asked { connection: self, id, heard, forget };
        // Looked at after it was added: whoever ends the link empties the list afterwards.
        if self.has_ended() || !self.sender.send(id, 0, bytes, None) {
            return Err(self.lost());
        }
        Ok(asked)
    }

    fn lost(&self) -> Error {
        let why = self.shared.why.get().map_or("it is closed", String::as_str);
        Error::Unavailable(format!("the link was lost before the answer: {why}"))
    }

    /// Returns when it has ended, with why.
    pub(super) async fn ended(&self) -> String {
        self.shared.ended.cancelled().await;
        self.shared.why.get().cloned().unwrap_or_default()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.shared.ended.is_cancelled()
    }

    /// Whether anything that somebody asked has been answered.
    pub(super) fn has_answered(&self) -> bool {
        self.shared.answered.load(Relaxed)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.end("it is not needed any more");
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let unanswered = self.connection.shared.waiting().asked.remove(&self.id).is_some();
        if unanswered
            && self.forget
            && let Ok(bytes) = wire::encode(&Request::Forget { id: self.id })
        {
            self.connection.sender.send(0, 0, bytes, None);
        }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the link, and tells whoever waits.
    fn end(&self, why: impl Into<String>) {
        let _ = self.why.set(why.into());
        self.ended.cancel();
        self.waiting().asked.clear();
    }

    fn heard(&self, id: u32, flags: u8, bytes: Bytes) {
        let mut waiting = self.waiting();
        if flags & NOTE == 0 {
            if let Some(asked) = waiting.asked.remove(&id) {
                self.answered.store(true, Relaxed);
                let _ = asked.send(Heard::Reply(bytes));
            }
        } else if let Some(asked) = waiting.asked.get(&id)
            && let Ok(note) = wire::decode(&bytes)
        {
            let _ = asked.send(Heard::Note(note));
        }
    }
}

impl Waiting {
    /// An id that is nobody's. 0 never is anybody's; and a link that lives for months has used all the others,
    /// some of which may still wait.
    fn free(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            if self.last != 0 && !self.asked.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    fn add(&mut self, asked: mpsc::UnboundedSender<Heard>) -> u32 {
        let id = self.free();
        self.asked.insert(id, asked);
        id
    }
}

/// A peer that hung up may have answered before: whoever reads sees both. One that does not read is left here.
async fn write(writer: Writer, shared: Arc<Shared>) {
    let written = shared.ended.clone().run_until_cancelled_owned(writer.run()).await;
    if let Some(Err(FrameError::Io(error))) = written
        && error.kind() == ErrorKind::TimedOut
    {
        shared.end("what is written to it is not read");
    }
}

/// Hands out what comes in, and says something now and then, until the link ends or is silent for too long.
/// Silence is counted in words that were not answered, not read from a clock: a machine that was suspended
/// hears first what had come meanwhile.
async fn live(mut receiver: Receiver, sender: Sender, shared: Arc<Shared>, heartbeat: Duration) {
    let mut beat = interval(heartbeat / PINGS);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ping = wire::encode(&Request::Ping).unwrap_or_default();
    let (mut quiet, mut heard) = (0, 0);
    let why = loop {
        tokio::select! {
            biased;
            () = shared.ended.cancelled() => return,
            frame = receiver.next() => match frame {
                Ok(Some(frame)) => shared.heard(frame.id, frame.flags, frame.bytes),
                Ok(None) => break "the manager hung up".to_owned(),
                Err(error) => break error.to_string(),
            },
            _ = beat.tick() => {
                if receiver.heard() != heard {
                    (quiet, heard) = (0, receiver.heard());
                }
                if quiet > SILENCE * PINGS {
                    break format!("nothing was heard for {:?}", heartbeat * SILENCE);
                }
                quiet += 1;
                // Nobody waits under id 0: that something comes back is enough.
                sender.send(0, 0, ping.clone(), None);
            }
        }
    };
    shared.end(why);
}
