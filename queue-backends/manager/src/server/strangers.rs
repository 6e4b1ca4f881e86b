//! Those who have connected and not yet shown a key: few, and not for long.

use std::{
    collections::{HashSet, VecDeque},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::link::prelude::MESSAGE;

/// How long the whole handshake may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// Most strangers at once.
const MOST: usize = 64;
/// Most of one address.
const OF_ONE: usize = 8;
/// How many first messages are remembered.
const REMEMBERED: usize = 64 << 10;

/// All of them. When one more comes than may, the oldest goes: who knows the key needs milliseconds, and is
/// through before that.
#[derive(Default)]
pub(super) struct Strangers {
    waiting: Mutex<VecDeque<Waiting>>,
    heard: Mutex<Heard>,
}

struct Waiting {
    from: IpAddr,
    gone: CancellationToken,
}

/// A stranger's place; dropped, it is free.
pub(super) struct Place {
    strangers: Arc<Strangers>,
    /// Cancelled when another has taken it.
    pub(super) gone: CancellationToken,
}

/// First messages that were good. Said again they are somebody else's.
#[derive(Default)]
struct Heard {
    all: HashSet<[u8; MESSAGE]>,
    order: VecDeque<[u8; MESSAGE]>,
}

impl Strangers {
    /// Takes one in.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Place {
        let (from, gone) = (site(from), CancellationToken::new());
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let same = waiting.iter().filter(|one| one.from == from).count();
        let oldest = if same >= OF_ONE {
            waiting.iter().position(|one| one.from == from)
        } else {
            (waiting.len() >= MOST).then_some(0)
        };
        if let Some(one) = oldest.and_then(|at| waiting.remove(at)) {
            one.gone.cancel();
        }
        waiting.push_back(Waiting { from, gone: gone.clone() });
        Place { strangers: Arc::clone(self), gone }
    }

    /// Whether this first message is heard for the first time, as far back as is remembered.
    pub(super) fn fresh(&self, message: &[u8; MESSAGE]) -> bool {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if !heard.all.insert(*message) {
            return false;
        }
        heard.order.push_back(*message);
        if heard.order.len() > REMEMBERED
            && let Some(oldest) = heard.order.pop_front()
        {
            heard.all.remove(&oldest);
        }
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Its own token marks it.
        self.gone.cancel();
        let mut waiting = self.strangers.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|one| !one.gone.is_cancelled());
    }
}

/// What counts as one address: of IPv6 the network, since whoever has one has all of it.
fn site(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}
