//! Connecting, for ever: to the first place that answers, and again when the link is lost.

use std::{path::PathBuf, sync::Arc, time::Duration};

use skep_queue::{Clock, Error, Random, Result};
use tokio::{net::UnixStream, sync::watch, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::connection::Connection;
use crate::link::AnyPipe;

/// How long one place has to take a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest pause between two rounds of tries.
const MOST: Duration = Duration::from_secs(30);

/// Where a manager may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A socket in the file system.
    Unix(PathBuf),
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
    random: Arc<dyn Random>,
    state: watch::Sender<State>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Keeper {
    pub(super) fn start(places: Vec<Place>, _clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let (sender, state) = watch::channel(State::Trying);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let trier = Trier { places, random, state: sender, tasks: tasks.clone(), stop: stop.clone() };
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
        let Place::Unix(path) = place;
        let pipe = timeout(CONNECT, UnixStream::connect(path)).await;
        let pipe: AnyPipe = Box::new(pipe.map_err(|_| "no answer".to_owned())?.map_err(|e| e.to_string())?);
        Connection::open(pipe, &self.tasks).await.map_err(|error| error.to_string())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Unix(path) = self;
        write!(f, "unix:{}", path.display())
    }
}
