//! Where walks along the lanes begin.
//!
//! A claim walks its type's index from the first task. While somebody holds an old snapshot, the entries of
//! all that has ended since stay in the index, and each claim would step over them again. So a drain at full
//! speed begins where its last claim ended: after [`FULL`] claims in a row that filled their room. Then a task
//! that becomes available before that place, under the same priority, waits for a walk from the first task:
//! every [`SWEEP`], and whenever the rest does not fill the room. Otherwise the order is strict.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use skep_queue::{Demand, Pump, QueueName, TaskType};

use crate::wire::Moment;

/// Claims in a row that filled their room.
const FULL: u32 = 20;
/// At least so often a walk begins at the first task.
const SWEEP: Duration = Duration::from_secs(1);

/// A task's place in its lane: priority, due time, order of submission.
pub(crate) type Place = (i16, Moment, i64);

/// What this process has claimed lately, by queue and type.
#[derive(Debug, Default)]
pub(crate) struct Walks(Mutex<HashMap<(QueueName, TaskType), Walk>>);

#[derive(Debug)]
struct Walk {
    /// Claims in a row that filled their room.
    full: u32,
    /// The last task of the last of them.
    last: Place,
    /// When a walk last began at the first task, by the clock that never falls.
    swept: Duration,
}

impl Walks {
    /// Where the walk of each demand begins; `None`: at the first task.
    pub(crate) fn begin(&self, pump: &Pump, now: Duration) -> Vec<Option<Place>> {
        let mut walks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = |demand: &Demand| {
            let walk = walks.get_mut(&(pump.queue.clone(), demand.task_type.clone()))?;
            if walk.full >= FULL && now.saturating_sub(walk.swept) < SWEEP {
                return Some(walk.last);
            }
            walk.swept = now;
            None
        };
        pump.demands.iter().map(begin).collect()
    }

    /// What a demand got, and the last place of it.
    pub(crate) fn end(&self, queue: &QueueName, demand: &Demand, got: usize, last: Option<Place>) {
        let key = (queue.clone(), demand.task_type.clone());
        let mut walks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match last.filter(|_| got >= demand.room) {
            Some(last) => {
                let walk = walks.entry(key).or_insert(Walk { full: 0, last, swept: Duration::ZERO });
                (walk.full, walk.last) = (walk.full.saturating_add(1), last);
            }
            None => drop(walks.remove(&key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use skep_queue::{
        ClaimId, Incarnation, Timestamp,
        clock::{SystemClock, SystemRandom},
    };

    use super::*;

    #[test]
    fn only_a_drain_at_full_speed_begins_where_it_ended() {
        let demand = Demand { task_type: "a".parse().unwrap(), room: 5 };
        let pump = Pump {
            drone: Incarnation::new(&SystemRandom),
            claim: ClaimId::new(&SystemRandom),
            queue: QueueName::default(),
            demands: vec![demand.clone()],
        };
        let place = (3, Moment(skep_queue::Clock::now(&SystemClock)), 7);
        assert!(place.1.0 > Timestamp::from_micros(0));
        let (walks, at) = (Walks::default(), Duration::from_millis);
        for _ in 0..FULL {
            assert_eq!(walks.begin(&pump, at(5000)), [None]);
            walks.end(&pump.queue, &demand, 5, Some(place));
        }
        assert_eq!(walks.begin(&pump, at(5999)), [Some(place)]);
        assert_eq!(walks.begin(&pump, at(6000)), [None], "a second has passed");
        assert_eq!(walks.begin(&pump, at(6001)), [Some(place)]);
        walks.end(&pump.queue, &demand, 4, Some(place));
        assert_eq!(walks.begin(&pump, at(6002)), [None], "it came back short");
    }
}
