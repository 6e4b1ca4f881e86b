//! The gate: after a start nothing is handed out before the drones have said what they hold.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use skep_queue::{Backend, Clock, Error, Incarnation, Timestamp, admin::DroneView};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often to look whether a drone beats elsewhere.
const LOOK: Duration = Duration::from_millis(250);
/// How long whoever pumps right after the start waits for the first look.
const FIRST: Duration = Duration::from_secs(5);

/// Opens once. A drone is announced when it has beaten, here or through another manager of the same store.
pub(super) struct Gate {
    announced: Mutex<HashSet<Incarnation>>,
    changed: Notify,
    /// Cancelled when it is known who is missing.
    looked: CancellationToken,
    /// Cancelled when it is open.
    opened: CancellationToken,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            announced: Mutex::default(),
            changed: Notify::new(),
            looked: CancellationToken::new(),
            opened: CancellationToken::new(),
        }
    }

    /// Whether work is handed out.
    pub(super) fn is_open(&self) -> bool {
        self.opened.is_cancelled()
    }

    /// A drone has said what it holds, or that it goes.
    pub(super) fn announced(&self, drone: Incarnation) {
        if !self.is_open() {
            self.announced.lock().unwrap_or_else(PoisonError::into_inner).insert(drone);
            self.changed.notify_one();
        }
    }

    /// Returns when it is known whom to wait for.
    ///
    /// # Errors
    /// `Unavailable` when the backend does not say.
    pub(super) async fn looked(&self) -> Result<(), Error> {
        let looked = tokio::time::timeout(FIRST, self.looked.cancelled()).await;
        looked.map_err(|_| Error::Unavailable("the manager has not found its drones yet".into()))
    }

    /// Waits for the drones that the backend knows, at most so long; then it opens, unless told to stop before.
    pub(super) async fn wait(
        &self,
        backend: &dyn Backend,
        clock: &Arc<dyn Clock>,
        within: Duration,
        open: impl Fn() + Send,
        stop: &CancellationToken,
    ) {
        let mut missing: Option<HashMap<Incarnation, Timestamp>> = None;
        let begun = clock.elapsed();
        loop {
            match backend.drones().await {
                Ok(drones) => self.look(&mut missing, &drones),
                Err(error) => tracing::warn!(%error, "the manager looks for its drones"),
            }
            let waited = clock.elapsed().saturating_sub(begun);
            match &missing {
                Some(missing) if missing.is_empty() => break,
                Some(missing) if waited >= within => {
                    tracing::info!(missing = missing.len(), "not waiting longer for drones");
                    break;
                }
                Some(_) => self.looked.cancel(),
                None => {}
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(LOOK.min(within.saturating_sub(waited)).max(LOOK / 10)) => {}
                () = stop.cancelled() => return,
            }
        }
        open();
        self.opened.cancel();
        self.looked.cancel();
    }

    /// Who is still missing: it lived at the first look, and has not beaten since.
    fn look(&self, missing: &mut Option<HashMap<Incarnation, Timestamp>>, drones: &[DroneView]) {
        let living = drones.iter().filter(|drone| !drone.silent);
        let living: HashMap<_, _> = living.map(|drone| (drone.incarnation, drone.beat_at)).collect();
        let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = missing.get_or_insert_with(|| living.clone());
        missing.retain(|drone, beat_at| living.get(drone) == Some(beat_at) && !announced.contains(drone));
    }
}
