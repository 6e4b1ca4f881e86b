//! Connecting, for ever: to the first place that answers, to the next one at once when a link is lost, and
//! slower and slower when nobody answers anywhere.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use skep_queue::{Beat, Clock, Error, Incarnation, Random, Result};
use tokio::sync::{broadcast, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    connection::Connection,
    place::{Failure, Place},
};
use crate::wire::Request;

/// The longest pause between two rounds of tries.
const MOST: Duration = Duration::from_secs(30);
/// Rounds in a row in which every place refused, after which the pause is the longest: nothing but a person
/// heals that.
const REFUSALS: u32 = 3;
/// A link that ends sooner, and has answered nothing, is as good as none.
const BRIEF: Duration = Duration::from_secs(1);
/// Events that are kept for whoever is slow to look.
const EVENTS: usize = 64;

/// What becomes of the link. Each names the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody took the connection.
    Opened {
        /// Where.
        place: Place,
    },
    /// It is a manager, and it welcomed us: the link is of use.
    Ready {
        /// Where.
        place: Place,
        /// What it says it is.
        software: String,
    },
    /// There is no link to this place.
    Failed {
        /// Where.
        place: Place,
        /// In words.
        why: String,
    },
    /// The link that there was has ended.
    Closed {
        /// Where.
        place: Place,
        /// In words.
        why: String,
    },
}

/// How it stands.
#[derive(Clone)]
enum State {
    /// The very first round of tries is under way.
    First,
    /// There is no link; in words.
    Away(String),
    /// There is one.
    Ready(Arc<Connection>),
}

/// The last beat of each drone, to be repeated on every new link. What it lists may be out of date, which does no
/// harm: the next beat tells. With each, when it was, by the clock's `elapsed`: one that is older than its lease
/// is not repeated, since nobody speaks for that drone any more.
type Beats = Arc<Mutex<HashMap<Incarnation, (Beat, Duration)>>>;

/// Keeps a link.
pub(super) struct Keeper {
    beats: Beats,
    state: watch::Receiver<State>,
    events: broadcast::Sender<Event>,
    stop: CancellationToken,
}

struct Trier {
    beats: Beats,
    places: Vec<Place>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    state: watch::Sender<State>,
    events: broadcast::Sender<Event>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What went wrong since there was a link that was of use.
#[derive(Default)]
struct Failures {
    /// Of this round.
    whys: Vec<String>,
    refused: usize,
    /// Rounds without a link, and how many of the last of them met refusals alone.
    rounds: u32,
    refusals: u32,
}

impl Keeper {
    pub(super) fn start(places: Vec<Place>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let (sender, state) = watch::channel(State::First);
        let (events, _) = broadcast::channel(EVENTS);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (told, tracker, stopped) = (events.clone(), tasks.clone(), stop.clone());
        let beats = Beats::default();
        let said = Arc::clone(&beats);
        let trier = Trier {
            beats: said,
            places,
            clock,
            random,
            state: sender,
            events: told,
            tasks: tracker,
            stop: stopped,
        };
        tasks.spawn(trier.run());
        Self { beats, state, events, stop }
    }

    /// The link there is; waits only while the first round of tries is under way.
    ///
    /// # Errors
    /// `Unavailable` with what the last tries said.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>> {
        let mut state = self.state.clone();
        let known = state.wait_for(|state| !matches!(state, State::First)).await;
        match known.as_deref() {
            Ok(State::Ready(connection)) => Ok(Arc::clone(connection)),
            Ok(State::Away(why)) => Err(Error::Unavailable(why.clone())),
            _ => Err(Error::Unavailable("the client has been closed".into())),
        }
    }

    /// Returns when there is a link that has not ended.
    pub(super) async fn ready(&self) {
        let lives = |state: &State| matches!(state, State::Ready(link) if !link.has_ended());
        let _ = self.state.clone().wait_for(lives).await;
    }

    /// Remembers what a drone says, for the next link.
    pub(super) fn beats(&self, beat: &Beat, now: Duration) {
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        if beat.leaving {
            beats.remove(&beat.drone);
        } else {
            beats.insert(beat.drone, (beat.clone(), now));
        }
    }

    pub(super) fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Trier {
    async fn run(self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.tries()).await;
        // Whoever waits hears that it is over, and the link ends with its last user.
        self.state.send_replace(State::Away("the client has been closed".into()));
    }

    async fn tries(&self) {
        let mut failures = Failures::default();
        for place in self.places.iter().cycle() {
            match self.attempt(place).await {
                Ok(connection) if self.keep(place, &connection).await => failures = Failures::default(),
                Ok(_) => failures.add(place, &Failure::Away("the link was closed at once".into())),
                Err(failure) => {
                    let event = Event::Failed { place: place.clone(), why: failure.to_string() };
                    tracing::debug!(%place, why = %failure, "no link to a manager");
                    let _ = self.events.send(event);
                    failures.add(place, &failure);
                }
            }
            if failures.whys.len() == self.places.len() {
                self.state.send_replace(State::Away(failures.round()));
                tokio::time::sleep(failures.pause(&*self.random)).await;
            }
        }
        self.state.send_replace(State::Away("no place of a manager was named".into()));
        std::future::pending().await
    }

    /// Serves whoever asks until the link ends. Answers whether it was of use.
    async fn keep(&self, place: &Place, connection: &Arc<Connection>) -> bool {
        let begun = self.clock.elapsed();
        self.announce(connection);
        self.state.send_replace(State::Ready(Arc::clone(connection)));
        let why = connection.ended().await;
        tracing::debug!(%place, why, "the link to a manager ended");
        self.state.send_replace(State::Away(format!("the link to {place} was lost: {why}")));
        let _ = self.events.send(Event::Closed { place: place.clone(), why });
        connection.has_answered() || self.clock.elapsed().saturating_sub(begun) >= BRIEF
    }

    fn announce(&self, connection: &Arc<Connection>) {
        let (mut beats, now) =
            (self.beats.lock().unwrap_or_else(PoisonError::into_inner), self.clock.elapsed());
        beats.retain(|_, (beat, at)| now.saturating_sub(*at) < beat.ttl);
        for (beat, _) in beats.values().cloned() {
            let connection = Arc::clone(connection);
            // A hint: the drone hears its orders at its own next beat.
            self.tasks.spawn(async move { drop(connection.ask(&Request::Beat(beat)).await) });
        }
    }

    async fn attempt(&self, place: &Place) -> std::result::Result<Arc<Connection>, Failure> {
        let pipe = place.pipe(&self.clock).await?;
        let _ = self.events.send(Event::Opened { place: place.clone() });
        let connection = Connection::open(pipe, &self.tasks).await?;
        let software = connection.software.clone();
        tracing::debug!(%place, software, "a link to a manager");
        let _ = self.events.send(Event::Ready { place: place.clone(), software });
        Ok(Arc::new(connection))
    }
}

impl Failures {
    fn add(&mut self, place: &Place, failure: &Failure) {
        self.refused += usize::from(failure.is_refusal());
        self.whys.push(format!("{place}: {failure}"));
    }

    /// Every place was tried in vain: what they said.
    fn round(&mut self) -> String {
        self.rounds = self.rounds.saturating_add(1);
        self.refusals = if self.refused == self.whys.len() { self.refusals.saturating_add(1) } else { 0 };
        self.refused = 0;
        std::mem::take(&mut self.whys).join("; ")
    }

    /// `1 + ln(n)` s after the `n`-th round, half of it by chance.
    fn pause(&self, random: &dyn Random) -> Duration {
        if self.refusals >= REFUSALS {
            return MOST;
        }
        let whole = Duration::from_secs_f64(1.0 + f64::from(self.rounds.max(1)).ln()).min(MOST);
        whole.mul_f64(0.5 + random.fraction() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use skep_queue::testing::TestRandom;

    use super::*;

    /// The pause after each of so many rounds over two places, in seconds.
    fn pauses(rounds: u32, refused: [bool; 2]) -> Vec<f64> {
        let (mut failures, random) = (Failures::default(), TestRandom::new(3));
        let place = Place::Unix("/run/skep.sock".into());
        let round = |_| {
            for refused in refused {
                let failure = if refused { Failure::Refused } else { Failure::Away };
                failures.add(&place, &failure("why".into()));
            }
            assert_eq!(failures.round(), "unix:/run/skep.sock: why; unix:/run/skep.sock: why");
            failures.pause(&*random).as_secs_f64()
        };
        (0..rounds).map(round).collect()
    }

    #[test]
    fn pauses_grow_slowly_and_are_long_when_only_a_person_can_help() {
        for refused in [[false, false], [true, false]] {
            for (n, pause) in pauses(50, refused).into_iter().enumerate() {
                let whole = 1.0 + (n as f64 + 1.0).ln();
                assert!((whole / 2.0..=whole).contains(&pause), "{n}: {pause}");
            }
        }
        let refused = pauses(5, [true, true]);
        assert!(
            refused[..2].iter().all(|pause| *pause < 2.0),
            "a manager that comes up may refuse: {refused:?}"
        );
        assert!(refused[2..].iter().all(|pause| *pause == 30.0), "{refused:?}");
    }
}
