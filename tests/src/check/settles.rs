//! I6 and I7: at most one settle of a task is accepted for good, one a claim at all, and none of a claim
//! once another had been granted.

use std::collections::{BTreeMap, HashMap};

use skep_queue::{ClaimId, TaskId};

use super::{History, Verdict};
use crate::journal::{self, Entry, Settled};

/// The claims of a task that the witness saw: the fence of each, and when it was granted.
type Claims = HashMap<ClaimId, (u32, u64)>;

pub(super) fn check(history: &History, verdict: &mut Verdict) {
    let (mut claims, mut settles): (HashMap<TaskId, Claims>, BTreeMap<TaskId, Vec<Settled>>) =
        Default::default();
    for entry in &history.entries {
        match entry {
            Entry::Claimed { task, claim, fence, at, .. } => {
                claims.entry(*task).or_default().entry(*claim).or_insert((*fence, *at));
            }
            Entry::Settled(settled) if settled.verdict == journal::Verdict::Accepted => {
                settles.entry(settled.task).or_default().push(*settled);
            }
            Entry::Settled(settled) => {
                verdict.late += usize::from(settled.verdict == journal::Verdict::Late);
            }
            Entry::Begin(_) | Entry::End(_) | Entry::Offered { .. } | Entry::Submitted { .. } => {}
        }
    }
    let none = Claims::new();
    for (task, settles) in settles {
        once(task, &settles, verdict);
        for settled in settles {
            current(history, &settled, claims.get(&task).unwrap_or(&none), verdict);
        }
    }
}

fn once(task: TaskId, settles: &[Settled], verdict: &mut Verdict) {
    let terminal = settles.iter().filter(|settled| settled.is_terminal()).count();
    let mut claims: Vec<ClaimId> = settles.iter().map(|settled| settled.claim).collect();
    claims.sort_unstable();
    claims.dedup();
    if terminal > 1 || claims.len() < settles.len() {
        verdict.broken("I6", format!("{task} was settled twice: {settles:?}"));
    }
}

fn current(history: &History, settled: &Settled, claims: &Claims, verdict: &mut Verdict) {
    let Some(own) = claims.get(&settled.claim) else { return };
    let held = |granted: u64| !history.cut_between(granted, settled.asked);
    // By fence; and by time where a cut took a fence back, and it was given twice.
    let later = |claim: &(u32, u64)| claim > own && claim.1 < settled.asked && held(claim.1);
    if claims.values().any(later) {
        verdict.broken("I7", format!("accepted after another claim was granted: {settled:?}"));
    }
}
