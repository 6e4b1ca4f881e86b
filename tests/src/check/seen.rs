//! What the witness saw the queue do with a task, and what a cut of the power may have undone of it.

use std::collections::HashMap;

use skep_queue::{ClaimId, TaskId};

use super::History;
use crate::journal::{Entry, Run, Verdict};

/// What the queue was seen to do with a task.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// When settles were asked that it took.
    taken: Vec<u64>,
    /// Claims that it granted, and granted again to who asked again.
    granted: Vec<Grant>,
}

#[derive(Debug, Clone, Copy)]
struct Grant {
    claim: ClaimId,
    fence: u32,
    pid: u32,
    at: u64,
}

pub(super) fn seen(history: &History) -> HashMap<TaskId, Seen> {
    let mut all: HashMap<TaskId, Seen> = HashMap::new();
    for entry in &history.entries {
        match *entry {
            Entry::Settled(settled) if settled.verdict == Verdict::Accepted => {
                all.entry(settled.task).or_default().taken.push(settled.asked);
            }
            Entry::Claimed { task, claim, fence, pid, at } => {
                all.entry(task).or_default().granted.push(Grant { claim, fence, pid, at });
            }
            _ => {}
        }
    }
    all
}

impl Seen {
    /// The claim of a run, as it was first granted. A fence that a cut took back may have been given twice:
    /// then it is the claim of the process that runs, or else the later.
    fn grant(&self, run: &Run) -> Option<Grant> {
        let fits = self.granted.iter().filter(|grant| grant.fence == run.fence && grant.at <= run.at);
        let claim = fits.max_by_key(|grant| (grant.pid == run.pid, grant.at))?.claim;
        self.granted.iter().filter(|grant| grant.claim == claim).min_by_key(|grant| grant.at).copied()
    }

    /// Whether the claim of the first run had been undone when that of the second was granted: its fence, or
    /// one below, was given again after a cut. A settle that was promised in between had kept the claim.
    fn given_again(&self, history: &History, run: &Run, next: &Run) -> bool {
        let (Some(first), Some(second)) = (self.grant(run), self.grant(next)) else { return false };
        let kept = |cut: u64| self.taken.iter().any(|asked| first.at <= *asked && *asked < cut);
        let undone = |cut: u64| first.at < cut && cut <= second.at && !kept(cut);
        let again = first.claim != second.claim && second.fence <= first.fence;
        again && history.cuts.iter().any(|&cut| undone(cut))
    }

    /// Whether two runs with one fence should have been one.
    pub(super) fn once(&self, history: &History, run: &Run, next: &Run) -> bool {
        !history.cut_between(run.at, next.at) && !self.given_again(history, run, next)
    }

    /// Whether a power cut alone explains a second run.
    ///
    /// * The first was under way, or its outcome not yet promised.
    /// * The claim of the first had been undone: whenever it ran, the queue knew nothing of it.
    /// * The second is of a claim from before the cut. The drone's own file forgot that the first had been,
    ///   and no claim was granted for the second: the queue takes nothing of it that it has not.
    pub(super) fn undone(&self, history: &History, run: &Run, next: &Run) -> bool {
        let unreported = |cut: u64| !self.taken.iter().any(|asked| run.at <= *asked && *asked < cut);
        let granted = self.grant(next).map(|grant| grant.at);
        let forgotten = |cut: u64| granted.is_some_and(|granted| granted < cut);
        let mut between = history.cuts.iter().filter(|cut| run.at < **cut && **cut <= next.at);
        between.any(|&cut| unreported(cut) || forgotten(cut)) || self.given_again(history, run, next)
    }
}
