//! The dealer: who gets work.
//!
//! A drone asks for work with a pump, and when there was none it waits. When work may have come, the most
//! available of those who wait is told ([`score`]), and the next when there is more. While several want work
//! of a kind, each may take its share and no more; a drone that is alone takes all that it has room for. All
//! of this is memory, and only decides who goes when: what is whose, the backend says. A hint that is lost
//! costs the time until the drone polls.

mod ledger;
mod pace;
mod report;
mod score;
mod stock;
mod table;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use skep_queue::{
    Backend, Beat, Claimed, Clock, Incarnation, Orders, Pump, QueueName, Settled, Submitted, TaskType,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::wire::view::Hands;
use ledger::Ended;
pub(super) use report::{Report, brings};
use table::{Grant, PATIENCE, Table};

/// Work of one type in one queue.
type Kind = (QueueName, TaskType);

/// The longest that anybody waits in one call.
const WHILE: Duration = Duration::from_secs(10);

/// Deals work to drones.
pub(super) struct Dealer {
    table: Mutex<Table>,
    clock: Arc<dyn Clock>,
    /// Somebody waits who may wait for another type than those before.
    waits: Notify,
    /// Somebody was told, and may be late.
    told: Notify,
}

/// How fast work of a kind is done.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Flow {
    /// The hands of those drones that ask for it here.
    pub(super) hands: usize,
    /// The mean time of a run by those hands, in seconds; none without history.
    pub(super) mean: Option<f64>,
}

/// A wait that ends with its caller.
struct Waiting<'a>(&'a Dealer, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.table().stocks.waits.remove(&self.1);
    }
}

impl Dealer {
    /// A dealer that hands out nothing before it is [opened](Dealer::open).
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { table: Mutex::default(), clock, waits: Notify::new(), told: Notify::new() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known, and tells whoever is to come for it.
    fn turn<T>(&self, change: impl FnOnce(&mut Table, Duration) -> T) -> T {
        let (mut table, now) = (self.table(), self.clock.elapsed());
        let answer = change(&mut table, now);
        if table.deal(now) {
            self.told.notify_one();
        }
        answer
    }

    /// From now on work is handed out.
    pub(super) fn open(&self) {
        self.turn(|table, _| {
            table.open = true;
            table.news += 1;
            for stock in table.stocks.kinds.values_mut() {
                stock.came(1, table.news);
            }
        });
    }

    /// A beat is about to be passed on; [`Dealer::seen`] wants this number.
    pub(super) fn hears(&self) -> u64 {
        self.table().ledger.next_turn()
    }

    /// A drone beat, and was answered this. Answers whose claims it has taken over.
    pub(super) fn seen(&self, beat: &Beat, orders: &Orders, turn: u64) -> HashSet<Incarnation> {
        self.turn(|table, now| {
            let former = table.ledger.beaten(beat, orders, turn, now);
            table.stocks.serves(beat.drone, &beat.facts.types);
            if beat.leaving {
                table.gone(beat.drone);
            }
            former
        })
    }

    /// These blocks are being submitted, and a pump from now on finds what is accepted of them. Tells drones that have
    /// nothing to do, so that they are on their way while the submit is; whether any was.
    pub(super) fn expects(&self, work: &[(Kind, usize)]) -> bool {
        self.turn(|table, _| table.expects(work))
    }

    /// These blocks were submitted; and drones were told before, or not.
    pub(super) fn arrived(&self, work: &[(Kind, usize)], answers: &[Submitted], told: bool) {
        self.turn(|table, _| table.arrived(work, answers, told));
    }

    /// Waits until this drone shall come for work of these types, or for a while.
    pub(super) async fn arrival(&self, drone: Incarnation, types: &[TaskType]) {
        let (id, woken) = self.table().wait(drone, types);
        let waiting = Waiting(self, id);
        self.turn(|_, _| ());
        self.waits.notify_one();
        let _ = tokio::time::timeout(WHILE, woken).await;
        drop(waiting);
    }

    /// Cuts a pump to what it may take; [`Dealer::handed`] wants this with the answer.
    pub(super) fn grant(&self, pump: &mut Pump) -> Grant {
        self.table().grant(pump)
    }

    /// A pump was answered this; or failed.
    pub(super) fn handed(&self, grant: &Grant, claimed: Option<&[Claimed]>) {
        self.turn(|table, now| table.handed(grant, claimed, now));
    }

    /// A drone's settlements were answered this.
    pub(super) fn settled(&self, drone: Option<Incarnation>, report: &Report, answers: &[Settled]) {
        self.turn(|table, now| {
            let mut ended = Vec::with_capacity(answers.len());
            for (part, answer) in report.0.iter().zip(answers) {
                for kind in table.ledger.kinds(part.claim).to_vec() {
                    table.came(&kind, (answer.accepted & part.back).len());
                }
                let entered = part.follow.iter().filter(|_| !answer.accepted.is_empty());
                entered.for_each(|(kind, tasks)| table.came(kind, *tasks));
                let tasks = (answer.accepted | answer.already | answer.stale | answer.gone).len();
                ended.push(Ended { claim: part.claim, tasks, runs: (answer.accepted & part.runs).len() });
            }
            table.ledger.end(drone, &ended, now);
        });
    }

    /// A drone has a link.
    pub(super) fn here(&self, drone: Incarnation) {
        self.table().ledger.known(drone).away = false;
    }

    /// A drone has lost its last link.
    pub(super) fn away(&self, drone: Incarnation) {
        self.turn(|table, _| table.away(drone));
    }

    /// A drone is gone for good, and its tasks wait again.
    pub(super) fn gone(&self, drone: Incarnation) {
        self.turn(|table, _| table.gone(drone));
    }

    /// The drones that are here.
    pub(super) fn hands(&self) -> Vec<Hands> {
        self.table().ledger.hands()
    }

    /// How fast the drones here do work of a queue, or of one type of it.
    pub(super) fn flow(&self, queue: &QueueName, task_type: Option<&TaskType>) -> Flow {
        self.table().ledger.flow(queue, task_type)
    }

    /// Tells the next when one that was told does not come.
    pub(super) async fn hurry(&self, stop: &CancellationToken) {
        loop {
            let now = self.clock.elapsed();
            let next = self.table().late(now).map(|late| late.saturating_sub(now));
            let late = async {
                match next {
                    Some(rest) => tokio::time::sleep(rest).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = late => {}
                () = self.told.notified() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Listens to the backend, for work that comes by other ways than through this manager.
    pub(super) async fn listen(&self, backend: &dyn Backend, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let (types, since) = self.awaited();
            tokio::select! {
                () = backend.arrival(&types), if !types.is_empty() => {
                    self.heard(&types, since);
                    tokio::select! {
                        () = tokio::time::sleep(PATIENCE) => {}
                        () = stop.cancelled() => return,
                    }
                }
                () = self.others(&types) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// What is waited for, and the latest news.
    fn awaited(&self) -> (Vec<TaskType>, u64) {
        let table = self.table();
        let types: BTreeSet<&TaskType> = table.stocks.waits.values().flat_map(|wait| &wait.types).collect();
        (types.into_iter().cloned().collect(), table.news)
    }

    /// Returns when somebody waits for a type that is not among these.
    async fn others(&self, types: &[TaskType]) {
        loop {
            self.waits.notified().await;
            let table = self.table();
            if table.stocks.waits.values().flat_map(|wait| &wait.types).any(|of| !types.contains(of)) {
                return;
            }
        }
    }

    /// The backend says that there may be something. What has come through here since it was asked explains
    /// that, until the next look.
    fn heard(&self, types: &[TaskType], since: u64) {
        self.turn(|table, _| {
            table.news += 1;
            let quiet =
                table.stocks.kinds.iter_mut().filter(|(_, stock)| stock.more == 0 && stock.news <= since);
            quiet
                .filter(|(kind, _)| types.contains(&kind.1))
                .for_each(|(_, stock)| stock.came(1, table.news));
        });
    }
}
