//! One live link, as the client sees it: requests go out, and each answer finds who asked.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use skep_queue::{Error, Result};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    link::{AnyPipe, Receiver, Sender, link},
    software,
    wire::{self, Answer, Hello, Note, Reply, Request, VERSIONS, Welcome, frame::NOTE},
};

/// How long the first answer may take.
const HELLO: Duration = Duration::from_secs(5);

/// What comes back for one request: notes, then the answer.
pub(super) enum Heard {
    Note(Note),
    Reply(Bytes),
}

type Waiting = Arc<Mutex<HashMap<u32, mpsc::UnboundedSender<Heard>>>>;

/// One link. It ends by itself when the peer is gone.
pub(super) struct Connection {
    sender: Sender,
    next: AtomicU32,
    waiting: Waiting,
    /// Cancelled when the link has ended.
    pub(super) ended: CancellationToken,
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
    pub(super) async fn open(pipe: AnyPipe, tasks: &TaskTracker) -> Result<Self> {
        let (receiver, sender, writer) = link(pipe);
        let (waiting, ended) = (Waiting::default(), CancellationToken::new());
        let connection =
            Self { sender, next: AtomicU32::new(1), waiting: Arc::clone(&waiting), ended: ended.clone() };
        tasks.spawn(ended.clone().run_until_cancelled_owned(writer.run()));
        let hello = Request::Hello(Hello { versions: VERSIONS.to_vec(), software: software() });
        let reading = tasks.spawn(read(receiver, waiting, ended, HELLO * 3));
        let welcome = tokio::time::timeout(HELLO, connection.ask(&hello)).await;
        drop(reading);
        match welcome.map_err(|_| Error::Unavailable("the manager does not say hello".into()))?? {
            Answer::Welcome(Welcome { heartbeat, .. }) => connection.keep(heartbeat, tasks),
            _ => return Err(super::odd()),
        }
        Ok(connection)
    }

    /// Says something now and then.
    fn keep(&self, heartbeat: Duration, tasks: &TaskTracker) {
        let (sender, ended) = (self.sender.clone(), self.ended.clone());
        let Ok(ping) = wire::encode(&Request::Ping) else { return };
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(heartbeat) => {}
                    () = ended.cancelled() => return,
                }
                // Nobody waits under id 0: that something comes back is enough.
                sender.send(0, 0, ping.clone(), None);
            }
        });
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(&self, request: &Request) -> Result<Answer> {
        self.ask_noting(request, |_| {}).await
    }

    /// The same, and hands on what is said on the way.
    pub(super) async fn ask_noting(&self, request: &Request, mut note: impl FnMut(Note)) -> Result<Answer> {
        let bytes = wire::encode(request)?;
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
                None => return Err(Error::Unavailable("the link was lost before the answer".into())),
            }
        }
    }

    fn begin(&self, bytes: Bytes, forget: bool) -> Result<Asked<'_>> {
        // 0 is nobody's.
        let id = self.next.fetch_add(1, Ordering::Relaxed).max(1);
        let (sender, heard) = mpsc::unbounded_channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        let asked = Asked { connection: self, id, heard, forget };
        if self.ended.is_cancelled() || !self.sender.send(id, 0, bytes, None) {
            return Err(Error::Unavailable("the link was lost".into()));
        }
        Ok(asked)
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let waiting = &self.connection.waiting;
        let unanswered = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id).is_some();
        if unanswered
            && self.forget
            && let Ok(bytes) = wire::encode(&Request::Forget { id: self.id })
        {
            self.connection.sender.send(0, 0, bytes, None);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

/// Hands out what comes in, until nothing does for so long.
async fn read(mut receiver: Receiver, waiting: Waiting, ended: CancellationToken, silence: Duration) {
    loop {
        let frame = tokio::select! {
            frame = tokio::time::timeout(silence, receiver.next()) => frame,
            () = ended.cancelled() => break,
        };
        let Ok(Ok(Some(frame))) = frame else { break };
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if frame.flags & NOTE == 0 {
            if let Some(asked) = waiting.remove(&frame.id) {
                let _ = asked.send(Heard::Reply(frame.bytes));
            }
        } else if let Some(asked) = waiting.get(&frame.id)
            && let Ok(note) = wire::decode(&frame.bytes)
        {
            let _ = asked.send(Heard::Note(note));
        }
    }
    ended.cancel();
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
