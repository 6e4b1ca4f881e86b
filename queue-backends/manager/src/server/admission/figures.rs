//! The arithmetic of bounds and waits. Pure.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use skep_queue::{Incarnation, QueueName, TaskType, admin::DroneView};

use super::bound::Bound;

/// What a bound in time is worth, in hands, before the first run has ended.
const COLD: f64 = 3.0;
/// The largest bound that hands and time make.
const MOST: f64 = 1e12;
/// A change of a relative bound by less is not worth telling the store.
const CHANGE: f64 = 0.02;
/// The shortest and the longest wait that is told to those who are refused.
const WAITS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(300)];
/// What is told while it is not known.
pub(super) const UNKNOWN: Duration = Duration::from_secs(1);

/// The hands of the drones that live and are not on their way out.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in super::super) struct Crew {
    members: HashMap<Incarnation, Member>,
    queues: HashMap<QueueName, usize>,
    types: HashMap<(QueueName, TaskType), usize>,
}

/// What counts of a drone.
#[derive(Debug, Clone, PartialEq)]
struct Member {
    queue: QueueName,
    hands: usize,
    types: Vec<TaskType>,
}

impl Crew {
    pub(super) fn of(drones: &[DroneView]) -> Self {
        let mut crew = Self::default();
        for drone in drones.iter().filter(|drone| !drone.silent && !drone.draining) {
            let (queue, hands) = (&drone.queue, drone.facts.hands);
            *crew.queues.entry(queue.clone()).or_default() += hands;
            for task_type in drone.facts.types.iter().collect::<HashSet<_>>() {
                *crew.types.entry((queue.clone(), task_type.clone())).or_default() += hands;
            }
            let member = Member { queue: queue.clone(), hands, types: drone.facts.types.clone() };
            crew.members.insert(drone.incarnation, member);
        }
        crew
    }

    /// Whether a beat tells something that is not known.
    pub(super) fn is_news(&self, beat: &skep_queue::Beat) -> bool {
        let member = self.members.get(&beat.drone);
        let same = |member: &Member| {
            member.queue == beat.queue && member.hands == beat.facts.hands && member.types == beat.facts.types
        };
        beat.leaving || !member.is_some_and(same)
    }

    /// The hands for a queue, or for one type of it.
    pub(super) fn hands(&self, queue: &QueueName, task_type: Option<&TaskType>) -> usize {
        let hands = match task_type {
            None => self.queues.get(queue),
            Some(task_type) => self.types.get(&(queue.clone(), task_type.clone())),
        };
        hands.copied().unwrap_or_default()
    }
}

/// What a bound comes to with so many hands, each of which takes so many seconds a task; `None` for no bound.
pub(super) fn limit(bound: Bound, hands: usize, mean: Option<f64>) -> Option<u64> {
    let each = match bound {
        Bound::None => return None,
        Bound::Tasks(tasks) => return Some(tasks),
        _ if hands == 0 => return Some(0),
        Bound::Hands(times) => times,
        Bound::Backlog(time) => mean.map_or(COLD, |mean| 1.0 + time.as_secs_f64() / mean.max(1e-6)),
    };
    Some((each * hands as f64).clamp(1.0, MOST) as u64)
}

/// Whether the store has to hear of it.
pub(super) fn is_news(known: Option<u64>, now: Option<u64>) -> bool {
    let (Some(known), Some(now)) = (known, now) else { return known != now };
    let apart = known.abs_diff(now) as f64;
    (known == 0) != (now == 0) || apart > known as f64 * CHANGE
}

/// How long a task waits behind so many, of which the hands have some in work; `None` while that is not known.
pub(super) fn wait(depth: u64, hands: usize, mean: Option<f64>) -> Option<Duration> {
    let ahead = depth.saturating_sub(hands as u64) as f64;
    let seconds = ahead * mean? / hands as f64;
    (hands > 0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// The same, as it is told to those who are refused.
pub(super) fn retry_after(depth: u64, hands: usize, mean: Option<f64>) -> Duration {
    wait(depth, hands, mean).map_or(UNKNOWN, |wait| wait.clamp(WAITS[0], WAITS[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_what_the_hands_make_it() {
        let backlog = |seconds| Bound::Backlog(Duration::from_secs(seconds));
        for (bound, hands, mean, expected) in [
            (Bound::None, 0, None, None),
            (Bound::Tasks(7), 0, None, Some(7)),
            (Bound::Tasks(0), 9, None, Some(0)),
            (Bound::Hands(3.0), 0, None, Some(0)),
            (Bound::Hands(3.0), 2, None, Some(6)),
            (Bound::Hands(1.5), 3, Some(9.0), Some(4)),
            (Bound::Hands(0.1), 2, None, Some(1)),
            (backlog(30), 0, Some(1.0), Some(0)),
            (backlog(30), 2, None, Some(6)),
            (backlog(30), 2, Some(1.0), Some(62)),
            (backlog(30), 2, Some(60.0), Some(3)),
            (backlog(30), 1, Some(0.0), Some(30_000_001)),
        ] {
            assert_eq!(limit(bound, hands, mean), expected, "{bound} of {hands} hands, {mean:?} s each");
        }
    }

    #[test]
    fn the_store_hears_of_what_matters() {
        for (known, now, news) in [
            (None, None, false),
            (None, Some(1), true),
            (Some(1), None, true),
            (Some(0), Some(1), true),
            (Some(1), Some(0), true),
            (Some(100), Some(102), false),
            (Some(100), Some(98), false),
            (Some(100), Some(103), true),
            (Some(4), Some(5), true),
            (Some(0), Some(0), false),
        ] {
            assert_eq!(is_news(known, now), news, "{known:?} to {now:?}");
        }
    }

    #[test]
    fn the_wait_is_what_is_ahead() {
        let ms = Duration::from_millis;
        for (depth, hands, mean, expected) in [
            (12, 2, Some(1.0), ms(5000)),
            (2, 2, Some(1.0), ms(100)),
            (0, 2, Some(1.0), ms(100)),
            (1_000_000, 1, Some(10.0), ms(300_000)),
            (12, 2, None, ms(1000)),
            (12, 0, Some(1.0), ms(1000)),
        ] {
            assert_eq!(
                retry_after(depth, hands, mean),
                expected,
                "{depth} before {hands} hands, {mean:?} s each"
            );
        }
        assert_eq!(wait(u64::MAX, 1, Some(1e300)), Some(Duration::MAX));
    }
}
