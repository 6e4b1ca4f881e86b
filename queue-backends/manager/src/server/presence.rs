//! Presence: which drones have a link, and what becomes of those that lost theirs.
//!
//! A drone is an incarnation, on however many links it speaks. When its last link ends it has one heartbeat to
//! speak again, here or through another manager of the same store; then it counts as gone, whatever its lease
//! says, and the backend rescues what it had.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use skep_queue::{Backend, Clock, Error, Incarnation, Timestamp, admin::DroneView};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The least time between two looks.
const LEAST: Duration = Duration::from_millis(10);

/// Who has a link.
pub(super) struct Presence {
    drones: Mutex<HashMap<Incarnation, Seen>>,
    links: AtomicU64,
    heartbeat: Duration,
    clock: Arc<dyn Clock>,
    lost: Notify,
}

/// A drone that spoke here.
#[derive(Debug, Default)]
struct Seen {
    links: HashSet<u64>,
    /// Since when it has no link, by [`Clock::elapsed`].
    lost: Option<Duration>,
    /// When it last spoke here, by the backend's clock; none before a look after its first beat.
    beat_at: Option<Timestamp>,
    /// It has spoken since that look.
    spoke: bool,
}

/// What became of drones without a link.
#[derive(Debug, Default)]
struct Verdict {
    /// Their time is over.
    over: Vec<Incarnation>,
    /// They spoke elsewhere since, and are another manager's; or the backend has forgotten them.
    elsewhere: Vec<Incarnation>,
}

impl Presence {
    pub(super) fn new(heartbeat: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { drones: Mutex::default(), links: AtomicU64::new(0), heartbeat, clock, lost: Notify::new() }
    }

    fn drones(&self) -> MutexGuard<'_, HashMap<Incarnation, Seen>> {
        self.drones.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a link.
    pub(super) fn link(&self) -> u64 {
        self.links.fetch_add(1, Relaxed)
    }

    /// A drone spoke on a link.
    pub(super) fn spoke(&self, drone: Incarnation, link: u64) {
        let mut drones = self.drones();
        let seen = drones.entry(drone).or_default();
        seen.links.insert(link);
        (seen.lost, seen.spoke) = (None, true);
    }

    /// What it said has reached the backend. If its link ended long before, it is lost once more.
    pub(super) fn answered(&self, drone: Incarnation) {
        let lost = || Seen { lost: Some(self.clock.elapsed()), ..Seen::default() };
        self.drones().entry(drone).or_insert_with(lost).spoke = true;
    }

    /// A drone needs no watching any more: it said goodbye, or another has taken over what it held.
    pub(super) fn left(&self, drone: Incarnation) {
        self.drones().remove(&drone);
    }

    /// A link ended. Answers the drones that have none any more.
    pub(super) fn ended(&self, link: u64) -> Vec<Incarnation> {
        let (mut drones, now) = (self.drones(), self.clock.elapsed());
        let without = |(drone, seen): (&Incarnation, &mut Seen)| {
            let last = seen.links.remove(&link) && seen.links.is_empty();
            last.then(|| {
                seen.lost = Some(now);
                *drone
            })
        };
        let lost: Vec<Incarnation> = drones.iter_mut().filter_map(without).collect();
        if !lost.is_empty() {
            self.lost.notify_one();
        }
        lost
    }

    /// Rescues the drones that lost their last link and did not speak again within a heartbeat, and hands each
    /// to `gone`.
    pub(super) async fn watch(
        &self,
        backend: &dyn Backend,
        gone: impl Fn(Incarnation) + Send + Sync,
        stop: &CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = self.lost.notified() => {}
                () = tokio::time::sleep(self.rest()) => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = self.look(backend, &gone).await {
                tracing::warn!(%error, "what became of drones cannot be seen");
                tokio::select! {
                    () = tokio::time::sleep(self.heartbeat) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }

    /// Until the next look: a heartbeat, or when the next drone's time is over.
    fn rest(&self) -> Duration {
        let now = self.clock.elapsed();
        let over = |seen: &Seen| Some((seen.lost? + self.heartbeat).saturating_sub(now));
        let next = self.drones().values().filter_map(over).min().unwrap_or(self.heartbeat);
        next.clamp(LEAST, self.heartbeat.max(LEAST))
    }

    async fn look(
        &self,
        backend: &dyn Backend,
        gone: &(impl Fn(Incarnation) + Send + Sync),
    ) -> Result<(), Error> {
        if !self.drones().values().any(|seen| seen.spoke || seen.lost.is_some()) {
            return Ok(());
        }
        let speaking = self.speaking();
        let known = backend.drones().await?;
        let Verdict { over, elsewhere } = self.judge(&speaking, &known);
        elsewhere.into_iter().for_each(gone);
        for drone in over {
            if self.drones().get(&drone).is_none_or(|seen| seen.lost.is_none()) {
                // It came back this very moment.
                continue;
            }
            if backend.rescue(drone).await? {
                tracing::warn!(%drone, "a drone lost its link and did not come back: what it had is rescued");
            }
            gone(drone);
            let mut drones = self.drones();
            if drones.get(&drone).is_some_and(|seen| seen.links.is_empty()) {
                drones.remove(&drone);
            }
        }
        Ok(())
    }

    /// Those who have spoken since the last look.
    fn speaking(&self) -> HashSet<Incarnation> {
        let mut drones = self.drones();
        let spoke =
            |(drone, seen): (&Incarnation, &mut Seen)| std::mem::take(&mut seen.spoke).then_some(*drone);
        drones.iter_mut().filter_map(spoke).collect()
    }

    /// Notes when each drone spoke, and says of those without a link what became of them.
    fn judge(&self, speaking: &HashSet<Incarnation>, known: &[DroneView]) -> Verdict {
        let (mut drones, now) = (self.drones(), self.clock.elapsed());
        let known: HashMap<_, _> = known.iter().map(|view| (view.incarnation, view.beat_at)).collect();
        let mut verdict = Verdict::default();
        drones.retain(|drone, seen| {
            let beat_at = known.get(drone).copied();
            if seen.beat_at.is_none() || speaking.contains(drone) {
                seen.beat_at = beat_at;
            }
            let Some(lost) = seen.lost else { return true };
            if beat_at.is_none() || beat_at != seen.beat_at {
                verdict.elsewhere.push(*drone);
                return false;
            }
            if now.saturating_sub(lost) >= self.heartbeat {
                verdict.over.push(*drone);
            }
            true
        });
        verdict
    }
}
