//! Connecting, for ever: to the first place that answers, and again when the link is lost.

use std::{path::PathBuf, sync::Arc, time::Duration};

use skep_queue::{Clock, Error, Random, Result};
use tokio::{
    net::{TcpStream, UnixStream},
    sync::watch,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::connection::Connection;
use crate::{
    key::Key,
    link::{AnyPipe, handshake::dial},
};

/// How long one place has to take a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest pause between two rounds of tries.
const MOST: Duration = Duration::from_secs(30);

/// Where a manager may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A port somewhere, and nothing that is not encrypted.
    Tcp {
        /// A name or an address.
        host: String,
        /// 7676 unless said otherwise.
        port: u16,
        /// What proves who we are, and who answers.
        key: Arc<Key>,
        /// What the manager is called in its configuration; `skep` unless said otherwise.
        server: String,
    },
}

/// How it stands.
#[derive(Clone)]
enum State {
    /// The first round of tries is under way, or one after a link that had worked.
    Trying,
    /// Every place was tried in vain; in words.
    Away(String),
    /// There is a link.
    Ready(Arc<Connection>),
}

/// Keeps a link.
pub(super) struct Keeper {
    state: watch::Receiver<State>,
    stop: CancellationToken,
}

struct Trier {
    places: Vec<Place>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    state: watch::Sender<State>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Keeper {
    pub(super) fn start(places: Vec<Place>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let (sender, state) = watch::channel(State::Trying);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let trier = Trier { places, clock, random, state: sender, tasks: tasks.clone(), stop: stop.clone() };
        tasks.spawn(trier.run());
        Self { state, stop }
    }

    /// The link there is; waits while the first try is under way.
    ///
    /// # Errors
    /// `Unavailable` with what the last tries said.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>> {
        let mut state = self.state.clone();
        let known = state.wait_for(|state| !matches!(state, State::Trying)).await;
        match known.as_deref() {
            Ok(State::Ready(connection)) => Ok(Arc::clone(connection)),
            Ok(State::Away(why)) => Err(Error::Unavailable(why.clone())),
            _ => Err(Error::Unavailable("the client has been closed".into())),
        }
    }

    /// Returns when there is a link.
    pub(super) async fn ready(&self) {
        let _ = self.state.clone().wait_for(|state| matches!(state, State::Ready(_))).await;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Trier {
    async fn run(self) {
        let mut rounds = 0;
        loop {
            tokio::select! {
                link = self.round() => match link {
                    Ok(connection) => {
                        rounds = 0;
                        let ended = connection.ended.clone();
                        self.state.send_replace(State::Ready(Arc::new(connection)));
                        tokio::select! {
                            () = ended.cancelled() => {}
                            () = self.stop.cancelled() => break,
                        }
                        self.state.send_replace(State::Trying);
                        continue;
                    }
                    Err(why) => {
                        rounds += 1;
                        self.state.send_replace(State::Away(why));
                    }
                },
                () = self.stop.cancelled() => break,
            }
            tokio::select! {
                () = tokio::time::sleep(self.pause(rounds)) => {}
                () = self.stop.cancelled() => break,
            }
        }
        // Whoever waits hears that it is over, and the link ends with its last user.
        self.state.send_replace(State::Trying);
    }

    /// `1 + ln(n)` s, half of it by chance.
    fn pause(&self, rounds: u32) -> Duration {
        let whole = Duration::from_secs_f64(1.0 + f64::from(rounds).ln()).min(MOST);
        whole.mul_f64(0.5 + self.random.fraction() / 2.0)
    }

    /// Tries every place once.
    async fn round(&self) -> std::result::Result<Connection, String> {
        let mut whys = Vec::new();
        for place in &self.places {
            match self.attempt(place).await {
                Ok(connection) => return Ok(connection),
                Err(why) => whys.push(format!("{place}: {why}")),
            }
        }
        Err(whys.join("; "))
    }

    async fn attempt(&self, place: &Place) -> std::result::Result<Connection, String> {
        let pipe = timeout(CONNECT, self.reach(place)).await.map_err(|_| "no answer".to_owned())??;
        Connection::open(pipe, &self.tasks).await.map_err(|error| error.to_string())
    }

    /// A pipe to whom it is meant for.
    async fn reach(&self, place: &Place) -> std::result::Result<AnyPipe, String> {
        let failed = |error: std::io::Error| error.to_string();
        match place {
            Place::Unix(path) => Ok(Box::new(UnixStream::connect(path).await.map_err(failed)?)),
            Place::Tcp { host, port, key, server } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                let secure = dial(stream, key, server, Arc::clone(&self.clock)).await;
                Ok(Box::new(secure.map_err(|error| error.to_string())?))
            }
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port, .. } => write!(f, "skep://{host}:{port}"),
        }
    }
}
