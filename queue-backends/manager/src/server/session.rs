//! One link, as the server sees it: requests come in, each is answered when its answer is there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use skep_queue::{Error, Incarnation};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Server, principal::Principal};
use crate::{
    link::{AnyPipe, Receiver, Sender, link},
    software,
    wire::{self, Answer, Frame, Hello, Reply, Request, VERSIONS, Welcome, frame::FrameError},
};

/// Most bytes of requests and answers in flight on a link; then nothing more is read.
const BYTES: usize = 4 << 20;
/// Most requests in flight on a link, each at least this many of its bytes.
const REQUESTS: usize = 64;

/// One link.
pub(super) struct Session {
    pub(super) server: Arc<Server>,
    /// Who speaks here.
    pub(super) principal: Arc<Principal>,
    /// Which link.
    pub(super) link: u64,
    /// The drone that speaks here, by its last beat or pump.
    pub(super) drone: Mutex<Option<Incarnation>>,
    /// What is being answered and may be forgotten.
    waits: Mutex<HashMap<u32, CancellationToken>>,
    stop: CancellationToken,
}

impl Session {
    pub(super) fn new(server: Arc<Server>, principal: Arc<Principal>, stop: CancellationToken) -> Arc<Self> {
        let link = server.presence.link();
        Arc::new(Self { server, principal, link, drone: Mutex::default(), waits: Mutex::default(), stop })
    }

    /// Serves until the peer leaves, breaks the protocol or falls silent, or the server stops.
    pub(super) async fn run(self: Arc<Self>, pipe: AnyPipe) {
        let (mut receiver, sender, writer) = link(pipe);
        let tasks = TaskTracker::new();
        let writing = tasks.spawn(writer.patient(self.server.config.write_timeout).run());
        if let Err(error) = Arc::clone(&self).serve(&mut receiver, sender, &tasks).await {
            tracing::debug!(%error, "a link ended");
        }
        self.stop.cancel();
        self.server.parted(self.link);
        tasks.close();
        drop(receiver);
        tasks.wait().await;
        // Whatever was under way may have spoken for a drone since.
        self.server.parted(self.link);
        drop(writing);
    }

    async fn serve(
        self: Arc<Self>,
        receiver: &mut Receiver,
        sender: Sender,
        tasks: &TaskTracker,
    ) -> Result<(), FrameError> {
        let room = Arc::new(Semaphore::new(BYTES));
        let silence = self.server.config.heartbeat * 3;
        loop {
            let frame = tokio::select! {
                frame = tokio::time::timeout(silence, receiver.next()) => match frame {
                    Ok(Ok(Some(frame))) => frame,
                    Ok(Ok(None)) => return Ok(()),
                    Ok(Err(error)) => return Err(error),
                    Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
                },
                () = sender.closed() => return Ok(()),
                () = self.stop.cancelled() => return Ok(()),
            };
            let size = frame.bytes.len().clamp(BYTES / REQUESTS, BYTES) as u32;
            let permit = tokio::select! {
                permit = Arc::clone(&room).acquire_many_owned(size) => permit.ok().map(Arc::new),
                () = self.stop.cancelled() => return Ok(()),
            };
            let (session, sender) = (Arc::clone(&self), sender.clone());
            let token = self.waiting(frame.id);
            tasks.spawn(async move {
                let Frame { id, bytes, .. } = frame;
                let reply = session.reply(id, &bytes, &sender, &token).await;
                session.waits.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                if let Some(reply) = reply {
                    sender.send(id, 0, reply, permit);
                }
            });
        }
    }

    fn waiting(&self, id: u32) -> CancellationToken {
        let token = self.stop.child_token();
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).insert(id, token.clone());
        token
    }

    /// A request that waits ends with the link, or when it is forgotten; every other runs to its end: a claim
    /// that is dropped half-way may be on file.
    async fn reply(
        self: &Arc<Self>,
        id: u32,
        bytes: &Bytes,
        sender: &Sender,
        token: &CancellationToken,
    ) -> Option<Bytes> {
        let answer = match wire::decode::<Request>(bytes) {
            Ok(Request::Forget { id }) => {
                self.forget(id);
                return None;
            }
            Ok(Request::Hello(hello)) => self.principal.honest().and_then(|()| self.welcome(&hello)),
            Ok(request) => match self.principal.may(&request, &self.server.bound) {
                Ok(()) if waits(&request) => tokio::select! {
                    answer = self.allowed(id, request, sender) => answer,
                    () = token.cancelled() => return None,
                },
                Ok(()) => self.allowed(id, request, sender).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        let reply = wire::encode(&Reply::from(answer));
        reply.or_else(|error| wire::encode(&Reply::Error(error))).ok()
    }

    /// Answers what the peer may ask.
    async fn allowed(self: &Arc<Self>, id: u32, request: Request, sender: &Sender) -> Result<Answer, Error> {
        self.principal.audit(&request);
        self.answer(id, request, sender).await.map(|answer| self.principal.shown(answer))
    }

    fn forget(&self, id: u32) {
        if let Some(token) = self.waits.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            token.cancel();
        }
    }

    fn welcome(&self, hello: &Hello) -> Result<Answer, Error> {
        let common = VERSIONS.iter().find(|version| hello.versions.contains(version));
        let Some(&version) = common else {
            let (ours, theirs) = (VERSIONS, &hello.versions);
            return Err(Error::Refused(format!("no common version: here {ours:?}, there {theirs:?}")));
        };
        let heartbeat: Duration = self.server.config.heartbeat;
        Ok(Answer::Welcome(Welcome { version, software: software(), heartbeat }))
    }
}

const fn waits(request: &Request) -> bool {
    matches!(request, Request::Arrival { .. } | Request::Call { .. } | Request::Collect { .. })
}
