//! Dealing, without waiting: who is told that there is work, and how much each may take.

use std::{collections::BTreeMap, time::Duration};

use skep_queue::{ClaimId, Claimed, Incarnation, Pump, Submitted, TaskType};
use tokio::sync::oneshot;

use super::{
    Kind,
    ledger::Ledger,
    score::Load,
    stock::{Stock, Stocks, Wait},
};

/// How long a drone that was told has to come, before the next is told.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);

/// What the dealer knows.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) ledger: Ledger,
    pub(super) stocks: Stocks,
    /// Whether anything is handed out.
    pub(super) open: bool,
    /// Rises with every piece of news.
    pub(super) news: u64,
    waits: u64,
}

/// What a pump may take.
#[derive(Debug)]
pub(in crate::server) struct Grant {
    pub(in crate::server) drone: Incarnation,
    claim: ClaimId,
    shares: Vec<Share>,
}

#[derive(Debug)]
struct Share {
    kind: Kind,
    share: usize,
    /// What was the news then.
    news: u64,
}

impl Table {
    /// Work of a kind came; of kinds that nobody here ever asked for there is no stock to keep.
    pub(super) fn came(&mut self, kind: &Kind, tasks: usize) {
        self.news += 1;
        if let Some(stock) = self.stocks.kinds.get_mut(kind) {
            stock.came(tasks, self.news);
        }
    }

    /// Blocks are being submitted: they count as come when all of them are such that somebody waits for them, and
    /// has nothing else. After a refusal the next may be refused too, for which nobody need come.
    pub(super) fn expects(&mut self, work: &[(Kind, usize)]) -> bool {
        let Stocks { kinds, waits } = &self.stocks;
        let waited = |kind: &Kind| waits.values().any(|wait| wait.types.contains(&kind.1));
        let bare = |kind: &Kind| kinds.get(kind).is_some_and(|stock| stock.more == 0 && !stock.refused);
        let expected = work.iter().all(|(kind, tasks)| *tasks > 0 && bare(kind) && waited(kind));
        work.iter().filter(|_| expected).for_each(|(kind, tasks)| self.came(kind, *tasks));
        expected
    }

    /// Blocks were submitted; they counted as come before, or do now.
    pub(super) fn arrived(&mut self, work: &[(Kind, usize)], answers: &[Submitted], counted: bool) {
        for ((kind, tasks), answer) in work.iter().zip(answers).filter(|((_, tasks), _)| *tasks > 0) {
            if let Some(stock) = self.stocks.kinds.get_mut(kind) {
                stock.refused = matches!(answer, Submitted::Rejected(_));
            }
            if !counted && matches!(answer, Submitted::Accepted | Submitted::Partly { .. }) {
                self.came(kind, *tasks);
            }
        }
    }

    /// A drone waits for work of these types; it is told when to come.
    pub(super) fn wait(&mut self, drone: Incarnation, types: &[TaskType]) -> (u64, oneshot::Receiver<()>) {
        let queues = self.ledger.known(drone).queues.clone();
        for kind in queues.iter().flat_map(|queue| types.iter().map(|of| (queue.clone(), of.clone()))) {
            let stock = self.stocks.kinds.entry(kind).or_default();
            // What it was told before is over: it came, or had stopped waiting when it was told.
            stock.awake(drone);
            stock.eaters.entry(drone).or_default().waits = true;
        }
        let (wake, woken) = oneshot::channel();
        self.waits += 1;
        self.stocks.waits.insert(self.waits, Wait { drone, types: types.to_vec(), wake });
        (self.waits, woken)
    }

    /// Tells whoever shall come, of every kind of which there is something; whether anybody was told.
    pub(super) fn deal(&mut self, now: Duration) -> bool {
        let Self { ledger, stocks: Stocks { kinds, waits }, open: true, .. } = self else { return false };
        let mut told = false;
        for (kind, stock) in kinds.iter_mut().filter(|(_, stock)| stock.unpromised()) {
            for (id, share) in able(ledger, waits.iter(), kind, stock) {
                if stock.unpromised()
                    && let Some(drone) = waits.get(&id).map(|wait| wait.drone)
                    && tell(waits, drone, &kind.1)
                {
                    stock.wake(drone, share, now + PATIENCE);
                    told = true;
                }
            }
        }
        told
    }

    /// Cuts a pump to what it may take. Asked again under the same claim id, it may take what it was given.
    pub(super) fn grant(&mut self, pump: &mut Pump) -> Grant {
        let (drone, claim) = (pump.drone, pump.claim);
        let mut shares = Vec::new();
        let known = self.ledger.known(drone);
        if !known.queues.contains(&pump.queue) {
            known.queues.push(pump.queue.clone());
        }
        let load = known.load();
        if !self.open {
            // What is asked for again comes back, and nothing new is claimed.
            pump.demands.clear();
        } else if !self.ledger.has(claim) {
            for demand in &mut pump.demands {
                let kind = (pump.queue.clone(), demand.task_type.clone());
                let stock = self.stocks.kinds.entry(kind.clone()).or_default();
                // Who asks knows better whether it has a hand free: nobody asks for nothing.
                let share = share(load, stock, drone).max(1).min(demand.room);
                shares.push(Share { kind, share, news: stock.news });
                demand.room = share;
            }
            pump.demands.retain(|demand| demand.room > 0);
            // It has no room for what it was told of and did not ask for.
            self.stocks.kinds.values_mut().for_each(|stock| stock.awake(drone));
        }
        Grant { drone, claim, shares }
    }

    /// A pump was answered, or failed.
    pub(super) fn handed(&mut self, grant: &Grant, claimed: Option<&[Claimed]>, now: Duration) {
        let Some(claimed) = claimed else { return };
        self.ledger.give(grant.drone, grant.claim, claimed, now);
        for Share { kind, share, news } in &grant.shares {
            let of_kind = claimed.iter().filter(|claimed| claimed.task_type == kind.1);
            let given = of_kind.map(|claimed| claimed.live.len()).sum::<usize>();
            let stock = self.stocks.kinds.entry(kind.clone()).or_default();
            let eater = stock.eaters.entry(grant.drone).or_default();
            if *share == 0 {
                continue;
            }
            if given >= *share {
                eater.streak += 1;
                stock.more = stock.more.saturating_sub(given).max(1);
            } else {
                eater.streak = 0;
                // What came since the pump began may be what it did not see.
                stock.more = if stock.news == *news { 0 } else { stock.more.saturating_sub(given).max(1) };
            }
        }
    }

    /// A drone has no link any more: it takes nothing.
    pub(super) fn away(&mut self, drone: Incarnation) {
        if let Some(known) = self.ledger.drones.get_mut(&drone) {
            known.away = true;
        }
        self.stocks.remove(drone);
    }

    /// A drone is gone for good, and its tasks wait again.
    pub(super) fn gone(&mut self, drone: Incarnation) {
        self.stocks.remove(drone);
        for kind in self.ledger.remove(drone) {
            self.came(&kind, 1);
        }
    }

    /// Those who were told and did not come in time have no room. Answers when to look again.
    pub(super) fn late(&mut self, now: Duration) -> Option<Duration> {
        for stock in self.stocks.kinds.values_mut() {
            stock.late(now);
        }
        self.deal(now);
        self.stocks.kinds.values().filter_map(Stock::next_late).min()
    }
}

/// Tells a drone, on each of its waits for this type: it may have begun another just now, while the one before is
/// not yet taken away. Says whether any was still waiting.
fn tell(waits: &mut BTreeMap<u64, Wait>, drone: Incarnation, of: &TaskType) -> bool {
    let its = waits.extract_if(.., |_, wait| wait.drone == drone && wait.types.contains(of));
    its.fold(false, |told, (_, wait)| wait.wake.send(()).is_ok() || told)
}

/// Who may be told, the most available first and among equals who has waited longest; and how much each may take.
fn able<'a>(
    ledger: &Ledger,
    waits: impl Iterator<Item = (&'a u64, &'a Wait)>,
    kind: &Kind,
    stock: &Stock,
) -> Vec<(u64, usize)> {
    let able = waits.filter(|(_, wait)| wait.types.contains(&kind.1) && !stock.is_woken(wait.drone));
    let loads = able.filter_map(|(id, wait)| {
        let known = ledger.drones.get(&wait.drone).filter(|known| known.queues.contains(&kind.0))?;
        let load = known.load();
        let share = share(load, stock, wait.drone);
        (share > 0).then_some((*id, share, load))
    });
    let mut loads: Vec<_> = loads.collect();
    loads.sort_by(|(_, _, a), (_, _, b)| a.compare(*b));
    loads.into_iter().map(|(id, share, _)| (id, share)).collect()
}

/// How much of a kind a drone may take: all that it has room for, unless others take such work too.
fn share(load: Load, stock: &Stock, drone: Incarnation) -> usize {
    if stock.has_others(drone) {
        load.share(stock.eaters.get(&drone).map_or(0, |eater| eater.streak))
    } else {
        usize::MAX
    }
}
