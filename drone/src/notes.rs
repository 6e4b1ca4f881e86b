//! What running tasks tell of how they get on, until it is sent. Bounded, and in memory only: it is a hint.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use skep_queue::{Progress, TaskId};
use tokio::sync::Notify;

use crate::worker::{Headway, Task};

/// Most parts of one task that wait.
const MOST_PARTS: usize = 64;
/// Most bytes of parts that wait, of all tasks together.
const MOST_BYTES: usize = 1 << 20;
/// What a part counts beside its data.
const PART: usize = 128;
/// Most bytes of a text for people; the rest is cut.
const MOST_TEXT: usize = 1024;

/// What the tasks of one queue have told. Of each task the last note is kept, and its parts in order.
#[derive(Default)]
pub(crate) struct Notes {
    heap: Mutex<Heap>,
    told: Notify,
}

#[derive(Default)]
struct Heap {
    /// Counts what was told, for the order.
    next: u64,
    last: HashMap<TaskId, (u64, Progress)>,
    /// Those with data, oldest first.
    parts: VecDeque<(u64, Progress)>,
    bytes: usize,
    of_task: HashMap<TaskId, usize>,
}

impl Notes {
    /// Takes what a run tells. Never blocks.
    pub(crate) fn tell(&self, task: &Task, headway: Headway) {
        let Some(claim) = task.slot.claim else { return };
        let Headway { n, of, note, data } = headway;
        let note = note.map(|mut text| {
            text.truncate(text.floor_char_boundary(MOST_TEXT));
            text
        });
        self.heap().add(Progress { task: task.id, claim, n, of, note, data });
        self.told.notify_one();
    }

    /// Returns when something was told since the last time. Safe to drop.
    pub(crate) async fn told(&self) {
        self.told.notified().await;
    }

    /// All that waits, in the order in which it was told.
    pub(crate) fn take(&self) -> Vec<Progress> {
        let heap = std::mem::take(&mut *self.heap());
        let mut all: Vec<(u64, Progress)> = heap.parts.into_iter().chain(heap.last.into_values()).collect();
        all.sort_unstable_by_key(|(order, _)| *order);
        all.into_iter().map(|(_, progress)| progress).collect()
    }

    fn heap(&self) -> MutexGuard<'_, Heap> {
        self.heap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heap {
    fn add(&mut self, progress: Progress) {
        self.next += 1;
        let (task, cost) = (progress.task, cost(&progress));
        if progress.data.is_none() {
            self.last.insert(task, (self.next, progress));
            return;
        }
        if cost > MOST_BYTES {
            return;
        }
        if self.of_task.get(&task) == Some(&MOST_PARTS) {
            let oldest = self.parts.iter().position(|(_, part)| part.task == task);
            let dropped = oldest.and_then(|at| self.parts.remove(at));
            self.forget(dropped);
        }
        while self.bytes + cost > MOST_BYTES {
            let dropped = self.parts.pop_front();
            self.forget(dropped);
        }
        self.bytes += cost;
        *self.of_task.entry(task).or_default() += 1;
        self.parts.push_back((self.next, progress));
    }

    fn forget(&mut self, dropped: Option<(u64, Progress)>) {
        let Some((_, part)) = dropped else { return };
        self.bytes -= cost(&part);
        if let Some(parts) = self.of_task.get_mut(&part.task) {
            *parts -= 1;
        }
    }
}

fn cost(part: &Progress) -> usize {
    PART + part.data.as_ref().map_or(0, bytes::Bytes::len) + part.note.as_ref().map_or(0, String::len)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use skep_queue::ClaimId;
    use uuid::Uuid;

    use super::*;

    fn task(number: u128) -> Task {
        let id = TaskId(Uuid::from_u128(number));
        let mut task = Task::new(id, "t".parse().unwrap(), Bytes::new());
        task.slot.claim = Some(ClaimId(Uuid::from_u128(7)));
        task
    }

    fn part(text: &str) -> Headway {
        Headway { data: Some(Bytes::copy_from_slice(text.as_bytes())), ..Headway::default() }
    }

    /// Who told what, in order: a number, or data.
    fn said(notes: &Notes) -> Vec<(u128, String)> {
        let words = |p: &Progress| match &p.data {
            Some(data) => String::from_utf8_lossy(data).into_owned(),
            None => p.n.unwrap_or_default().to_string(),
        };
        notes.take().iter().map(|p| (p.task.0.as_u128(), words(p))).collect()
    }

    #[test]
    fn the_last_note_of_each_task_is_kept() {
        let notes = Notes::default();
        for n in 1..=3 {
            notes.tell(&task(1), Headway::at(f64::from(n), 3.0));
            notes.tell(&task(2), Headway::at(f64::from(10 * n), 30.0));
        }
        assert_eq!(said(&notes), [(1, "3".into()), (2, "30".into())]);
        assert_eq!(said(&notes), []);
        notes.tell(&Task::new(TaskId(Uuid::nil()), "t".parse().unwrap(), Bytes::new()), Headway::default());
        assert_eq!(said(&notes), [], "nobody's");
    }

    #[test]
    fn parts_are_kept_in_order_beside_the_last_note() {
        let notes = Notes::default();
        notes.tell(&task(1), Headway::at(1.0, 9.0));
        notes.tell(&task(1), part("a"));
        notes.tell(&task(2), part("b"));
        notes.tell(&task(1), part("c"));
        notes.tell(&task(1), Headway::at(2.0, 9.0));
        let all = [(1, "a"), (2, "b"), (1, "c"), (1, "2")];
        assert_eq!(said(&notes), all.map(|(task, text)| (task, text.to_owned())));
    }

    #[test]
    fn the_oldest_parts_are_dropped() {
        let notes = Notes::default();
        notes.tell(&task(2), part("other"));
        for n in 0..100 {
            notes.tell(&task(1), part(&n.to_string()));
        }
        let kept = said(&notes);
        assert_eq!((kept.len(), kept[0].1.as_str(), kept[1].1.as_str()), (65, "other", "36"));
        assert_eq!(kept.last().map(|(_, text)| text.as_str()), Some("99"));
        let large = "x".repeat(300 << 10);
        for n in 0..5 {
            notes.tell(&task(n), part(&format!("{n}{large}")));
        }
        notes.tell(&task(9), part(&"x".repeat(MOST_BYTES)));
        let kept: Vec<u128> = said(&notes).iter().map(|(task, _)| *task).collect();
        assert_eq!(kept, [2, 3, 4], "a megabyte; and what is larger alone drives nobody out");
    }

    #[test]
    fn texts_are_cut_between_letters() {
        let notes = Notes::default();
        let note = Some("ä".repeat(2000));
        notes.tell(&task(1), Headway { note, ..Headway::default() });
        assert_eq!(notes.take()[0].note.as_ref().map(String::len), Some(MOST_TEXT));
    }
}
