//! One link, as the server sees it: requests come in, each is answered when its answer is there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use skep_queue::{Error, Incarnation};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Server,
    principal::Principal,
    question::{Question, Room},
};
use crate::{
    link::{AnyPipe, Receiver, Sender, link},
    software,
    wire::{self, Answer, Frame, Hello, Reply, Request, VERSIONS, Welcome, frame::FrameError},
};

/// Most requests of a link that wait for something that may take for ever.
const WAITS: usize = 1 << 16;

/// Heartbeats without a byte after which a link is dead.
const SILENCE: u32 = 3;
/// The shortest heartbeat.
const LEAST: Duration = Duration::from_millis(1);

/// Whether a peer lives.
#[derive(Debug, Default)]
struct Pulse {
    /// How many bytes had come at the last beat, and how many beats ago the latest of them.
    heard: u64,
    quiet: u32,
    /// It has said something.
    spoken: bool,
}

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
        let room = Room::new();
        let mut pulse = Pulse::default();
        let mut beat = interval(self.server.config.heartbeat.max(LEAST));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first is at once.
        beat.tick().await;
        loop {
            let frame = tokio::select! {
                frame = receiver.next() => match frame? {
                    Some(frame) => frame,
                    None => return Ok(()),
                },
                _ = beat.tick() => {
                    pulse.beat(receiver.heard(), &sender)?;
                    continue;
                }
                () = sender.closed() => return Ok(()),
                () = self.stop.cancelled() => return Ok(()),
            };
            let question = tokio::select! {
                question = room.question(frame.id, frame.bytes.len(), sender.clone()) => question,
                () = self.stop.cancelled() => return Ok(()),
            };
            self.begin(frame, question, tasks).await;
            pulse.spoken = true;
        }
    }

    /// Answers at once what takes no time, in the order in which it came; the rest as it is done.
    async fn begin(self: &Arc<Self>, frame: Frame, mut question: Question, tasks: &TaskTracker) {
        let id = frame.id;
        let request = wire::decode::<Request>(&frame.bytes).and_then(|request| {
            self.principal.may(&request, &self.server.owners)?;
            Ok(request)
        });
        match request {
            Err(error) => question.answer(Err(error)),
            Ok(Request::Forget { id }) => self.forget(id),
            Ok(Request::Hello(hello)) => question.answer(self.welcome(&hello)),
            Ok(request @ (Request::Ping | Request::Progress { .. })) => {
                let answer = self.answer(&mut question, request).await;
                question.answer(answer);
            }
            Ok(request) if request.waits() => match self.waiting(id) {
                Some(token) => {
                    let session = Arc::clone(self);
                    tasks.spawn(async move {
                        let answer = session.answer(&mut question, request);
                        let answer = token.run_until_cancelled(answer).await;
                        session.waits.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                        if let Some(answer) = answer {
                            question.answer(answer);
                        }
                    });
                }
                None => question.answer(Err(Error::Refused(format!("{WAITS} requests wait on this link")))),
            },
            // To its end, also when the link is lost: what claims or stores is never left half-way.
            Ok(request) => {
                let session = Arc::clone(self);
                session.principal.audit(&request);
                tasks.spawn(async move {
                    let answer = session.answer(&mut question, request).await;
                    question.answer(answer.map(|answer| session.principal.shown(answer)));
                });
            }
        }
    }

    /// Says that this request may be forgotten; nothing when too many wait.
    fn waiting(&self, id: u32) -> Option<CancellationToken> {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if waits.len() >= WAITS {
            return None;
        }
        let token = self.stop.child_token();
        waits.insert(id, token.clone());
        Some(token)
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

impl Pulse {
    /// Says that the server lives, under id 0, which is nobody's: the answers to a peer's pings wait behind whatever
    /// it has to send before them. Nothing is said to who has said nothing.
    fn beat(&mut self, heard: u64, sender: &Sender) -> Result<(), FrameError> {
        self.quiet = if heard == self.heard { self.quiet + 1 } else { 0 };
        self.heard = heard;
        if self.quiet >= SILENCE {
            return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
        }
        if self.spoken
            && let Ok(alive) = wire::encode(&Reply::Ok(Answer::Done))
        {
            sender.send(0, 0, alive, None);
        }
        Ok(())
    }
}
