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
/// How often the log is told of them, at most.
const MINUTE: Duration = Duration::from_secs(60);
/// How many first messages are remembered.
const REMEMBERED: usize = 64 << 10;

/// All of them. When one more comes than may, the oldest goes: who knows the key needs milliseconds, and is
/// through before that.
#[derive(Default)]
pub(super) struct Strangers {
    waiting: Mutex<VecDeque<Waiting>>,
    heard: Mutex<Heard>,
    turned_away: Mutex<TurnedAway>,
}

/// Those of whom the log has not been told, and when it was told last.
#[derive(Default)]
struct TurnedAway(u64, Option<Duration>);

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

/// First messages that were good, by half of the public key with which each begins. Said again they are somebody
/// else's.
#[derive(Default)]
struct Heard {
    all: HashSet<u128>,
    order: VecDeque<u128>,
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

    /// Counts one who has been turned away; answers how many it were since the log was told, when it is time to
    /// tell it again.
    pub(super) fn turned_away(&self, now: Duration) -> Option<u64> {
        let mut away = self.turned_away.lock().unwrap_or_else(PoisonError::into_inner);
        away.0 += 1;
        if away.1.is_some_and(|told| now.saturating_sub(told) < MINUTE) {
            return None;
        }
        away.1 = Some(now);
        Some(std::mem::take(&mut away.0))
    }

    /// Whether this first message is heard for the first time, as far back as is remembered.
    pub(super) fn fresh(&self, message: &[u8; MESSAGE]) -> bool {
        let key = message.first_chunk().map_or(0, |half| u128::from_ne_bytes(*half));
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if !heard.all.insert(key) {
            return false;
        }
        heard.order.push_back(key);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(strangers: &Strangers) -> Vec<IpAddr> {
        strangers.waiting.lock().unwrap().iter().map(|one| one.from).collect()
    }

    #[test]
    fn few_wait_and_fewer_of_one_address() {
        let strangers = Arc::new(Strangers::default());
        let address = |n: u32| IpAddr::V4(n.into());
        let mut places = (0..9).map(|_| strangers.enter(address(1))).collect::<Vec<_>>();
        assert_eq!(waiting(&strangers), [address(1); 8]);
        assert!(places[0].gone.is_cancelled() && !places[1].gone.is_cancelled());
        places.extend((0..56).map(|n| strangers.enter(address(100 + n))));
        assert!(!places[1].gone.is_cancelled());
        places.push(strangers.enter(address(200)));
        assert!(places[1].gone.is_cancelled(), "the oldest of all");
        assert_eq!(waiting(&strangers).len(), 64);
        drop(places);
        assert_eq!(waiting(&strangers), [] as [IpAddr; 0]);
    }

    #[test]
    fn the_log_is_told_once_a_minute() {
        let strangers = Strangers::default();
        let told = [5, 6, 64, 65, 66, 200].map(|at| strangers.turned_away(Duration::from_secs(at)));
        assert_eq!(told, [Some(1), None, None, Some(3), None, Some(2)]);
    }

    #[test]
    fn a_network_is_one_address() {
        let same = |a: &str, b: &str| site(a.parse().unwrap()) == site(b.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::ffff:2") && !same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
    }

    #[test]
    fn the_last_first_messages_are_remembered() {
        let strangers = Strangers::default();
        let message = |n: usize| {
            let mut message = [7; MESSAGE];
            message[..8].copy_from_slice(&n.to_le_bytes());
            message
        };
        assert!(strangers.fresh(&message(0)) && !strangers.fresh(&message(0)));
        assert!((1..=REMEMBERED).all(|n| strangers.fresh(&message(n))));
        assert!((1..=REMEMBERED).all(|n| !strangers.fresh(&message(n))));
        assert!(strangers.fresh(&message(0)), "the oldest was forgotten");
        assert_eq!(strangers.heard.lock().unwrap().all.len(), REMEMBERED);
    }
}
