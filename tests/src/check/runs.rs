//! I5 and I8: each run belongs to a claim, and each run after the first has its reason on record.

use std::collections::{BTreeMap, HashMap, HashSet};

use skep_queue::{Cause, TaskId};

use super::{
    History, Record, Verdict, charges,
    seen::{Seen, seen},
};
use crate::journal::{Entry, Run};

/// The runs of one task, in the order of their claims; with the moment each ended, if it did.
pub type TaskRuns = Vec<(Run, Option<u64>)>;

impl History {
    /// Every run that was written down, by task.
    #[must_use]
    pub fn runs(&self) -> BTreeMap<TaskId, TaskRuns> {
        let key = |run: &Run| (run.task, run.fence, run.attempt, run.pid);
        let ends: HashMap<_, u64> = self
            .entries
            .iter()
            .filter_map(|entry| if let Entry::End(run) = entry { Some((key(run), run.at)) } else { None })
            .collect();
        let mut runs: BTreeMap<TaskId, TaskRuns> = BTreeMap::new();
        for entry in &self.entries {
            if let Entry::Begin(run) = entry {
                runs.entry(run.task).or_default().push((*run, ends.get(&key(run)).copied()));
            }
        }
        runs.values_mut().for_each(|runs| {
            // A power cut takes fences back; what ran after it came later, whatever its number.
            let cuts = |at| self.cuts.iter().filter(|cut| **cut <= at).count();
            runs.sort_by_key(|(run, _)| (cuts(run.at), run.fence, run.at));
        });
        runs
    }
}

pub(super) fn check(history: &History, verdict: &mut Verdict) {
    let claims: HashSet<(TaskId, u32)> = history.entries.iter().filter_map(claimed).collect();
    let seen = seen(history);
    let nothing = Seen::default();
    let records: HashMap<TaskId, &Record> = history.tasks.iter().map(|task| (task.id, task)).collect();
    for (id, runs) in history.runs() {
        verdict.runs += runs.len();
        verdict.again += runs.len() - 1;
        for (run, _) in runs.iter().filter(|(run, _)| !claims.contains(&(run.task, run.fence))) {
            verdict.broken("I5", format!("{run:?} belongs to no claim"));
        }
        let seen = seen.get(&id).unwrap_or(&nothing);
        for pair in runs.windows(2).filter(|pair| pair[0].0.fence == pair[1].0.fence) {
            if seen.once(history, &pair[0].0, &pair[1].0) {
                verdict.broken("I5", format!("two runs of one claim: {pair:?}"));
            }
        }
        match records.get(&id) {
            Some(record) => explain(history, record, &runs, seen, verdict),
            None => verdict.broken("I2", format!("{id} ran, and is not there")),
        }
    }
    completions(history, verdict);
}

fn claimed(entry: &Entry) -> Option<(TaskId, u32)> {
    if let Entry::Claimed { task, fence, .. } = entry { Some((*task, *fence)) } else { None }
}

/// Between a run and the next one something must have happened: a charge, with the number of the attempt; or
/// a lost claim, or a drain, which charge nothing. Two runs at once need a lost claim.
fn explain(history: &History, record: &Record, runs: &TaskRuns, seen: &Seen, verdict: &mut Verdict) {
    let charged = |run: &Run| record.events.contains_attempt(run.attempt);
    let free = |attempt: u16| {
        let happened = |(cause, charged): &&(Cause, u16)| !charges(*cause) && *charged + 1 == attempt;
        record.events.iter().filter(happened).count()
    };
    let mut used: HashMap<u16, usize> = HashMap::new();
    for pair in runs.windows(2) {
        let ((run, ended), (next, _)) = (pair[0], pair[1]);
        let explained = if next.attempt == run.attempt {
            let used = used.entry(run.attempt).or_default();
            *used += 1;
            *used <= free(run.attempt)
        } else {
            next.attempt > run.attempt && charged(&run)
        };
        let over = ended.or_else(|| history.killed.get(&run.pid).copied()).unwrap_or(u64::MAX);
        let apart = over <= next.at || record.events.iter().any(|(cause, _)| *cause == Cause::Lost);
        if explained && apart {
            continue;
        }
        if seen.undone(history, &run, &next) {
            verdict.by_cut += 1;
        } else {
            verdict.unexplained += 1;
            verdict.broken(
                "I8",
                format!("{}: no reason for a second run: {runs:?}, {:?}", record.id, record.events),
            );
        }
    }
}

trait Events {
    fn contains_attempt(&self, attempt: u16) -> bool;
}

impl Events for Vec<(Cause, u16)> {
    fn contains_attempt(&self, attempt: u16) -> bool {
        self.iter().any(|(cause, charged)| charges(*cause) && *charged == attempt)
    }
}

/// A completed task says which run completed it: one that was written down to its end.
fn completions(history: &History, verdict: &mut Verdict) {
    let runs = history.runs();
    for record in &history.tasks {
        let Some(result) = record.result else { continue };
        let known = runs.get(&record.id).is_some_and(|runs| {
            runs.iter()
                .any(|(run, ended)| ended.is_some() && (run.fence, run.pid) == (result.fence, result.pid))
        });
        if !known {
            verdict
                .broken("I6", format!("{}: completed by a run that nobody saw end: {result:?}", record.id));
        }
    }
}
