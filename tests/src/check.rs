//! The checker: what skep promises (I1 to I10), over the queue as it is at the end and the journals of what
//! happened. Pure, so that it can be shown histories that break each promise.

mod runs;
mod seen;
mod settles;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use skep_queue::{
    Cause, TaskId,
    admin::State,
    outcome::{MAX_INTERRUPTIONS, MAX_LOSSES},
};

use crate::journal::{Entry, Run};

pub use runs::TaskRuns;

/// Everything there is to know of a test.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Tasks whose submission was acknowledged.
    pub submitted: Vec<TaskId>,
    /// Tasks that the queue has.
    pub tasks: Vec<Record>,
    /// What the queue says how many are not terminal.
    pub depth: u64,
    /// The greatest depth that anybody saw, and the bound, where there is one.
    pub most: Option<(u64, u64)>,
    /// What was written down.
    pub entries: Vec<Entry>,
    /// Processes that were killed, and when at the latest.
    pub killed: HashMap<u32, u64>,
    /// When the power had been cut. Settles answered after a cut are to be left out of the entries: they
    /// were promised by nobody.
    pub cuts: Vec<u64>,
}

/// A task as the queue has it.
#[derive(Debug, Clone)]
pub struct Record {
    /// Which.
    pub id: TaskId,
    /// Where it is.
    pub state: State,
    /// Runs charged, claims lost, runs cut short.
    pub counters: (u16, u16, u16),
    /// What went wrong: the cause, and the attempts charged by then.
    pub events: Vec<(Cause, u16)>,
    /// The run that says it completed it.
    pub result: Option<Run>,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which, as in the list of invariants.
    pub invariant: &'static str,
    /// How.
    pub how: String,
}

/// What the checker found.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// What is broken; empty when all is well.
    pub broken: Vec<Broken>,
    /// Tasks by state.
    pub states: BTreeMap<State, usize>,
    /// Acknowledged tasks that are not terminal, or not there.
    pub lost: usize,
    /// Runs that began.
    pub runs: usize,
    /// Runs beyond a task's first.
    pub again: usize,
    /// Why they were: events by cause.
    pub causes: BTreeMap<&'static str, usize>,
    /// Of those runs: nothing says why.
    pub unexplained: usize,
    /// Of those runs: nothing says why but a power cut, which undid the claim or what was on record.
    pub by_cut: usize,
    /// Settles that came too late, and changed nothing.
    pub late: usize,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, runs, again, unexplained, late, .. } = self;
        write!(
            f,
            "lost {lost}, runs {runs}, run again {again} (unexplained {unexplained}), late settles {late}"
        )?;
        if self.by_cut > 0 {
            write!(f, ", run again by a power cut alone {}", self.by_cut)?;
        }
        self.states.iter().try_for_each(|(state, n)| write!(f, ", {state} {n}"))?;
        self.causes.iter().try_for_each(|(cause, n)| write!(f, ", {cause} {n}"))?;
        self.broken.iter().take(3).try_for_each(|b| write!(f, "\n  {}: {}", b.invariant, b.how))?;
        if self.broken.is_empty() { Ok(()) } else { write!(f, "\n  {} broken in all", self.broken.len()) }
    }
}

impl Verdict {
    fn broken(&mut self, invariant: &'static str, how: impl Into<String>) {
        self.broken.push(Broken { invariant, how: how.into() });
    }
}

impl History {
    /// Checks it.
    #[must_use]
    pub fn check(&self) -> Verdict {
        let mut verdict = Verdict::default();
        self.rows(&mut verdict);
        self.counters(&mut verdict);
        self.depths(&mut verdict);
        runs::check(self, &mut verdict);
        settles::check(self, &mut verdict);
        verdict
    }

    /// Whether the power was cut after one moment, and before another.
    fn cut_between(&self, after: u64, before: u64) -> bool {
        self.cuts.iter().any(|&cut| after < cut && cut <= before)
    }

    /// I1: every acknowledged task is there once, and terminal. I2: no other is.
    fn rows(&self, verdict: &mut Verdict) {
        let submitted: HashSet<TaskId> = self.submitted.iter().copied().collect();
        let mut rows: HashMap<TaskId, usize> = HashMap::new();
        for task in &self.tasks {
            *rows.entry(task.id).or_default() += 1;
            *verdict.states.entry(task.state).or_default() += 1;
            if !submitted.contains(&task.id) {
                verdict.broken("I2", format!("{} was never submitted", task.id));
            }
            if !task.state.is_terminal() {
                verdict.lost += 1;
                verdict.broken("I1", format!("{} is still {}", task.id, task.state));
            }
        }
        for id in &submitted {
            match rows.get(id) {
                Some(1) => {}
                Some(n) => verdict.broken("I1", format!("{id} has {n} rows")),
                None => {
                    verdict.lost += 1;
                    verdict.broken("I1", format!("{id} was acknowledged, and is not there"));
                }
            }
        }
    }

    /// I9: each counter is the number of its events, and within its limit.
    fn counters(&self, verdict: &mut Verdict) {
        for task in &self.tasks {
            let count = |which: fn(Cause) -> bool| task.events.iter().filter(|(c, _)| which(*c)).count();
            let lost = count(|c| c == Cause::Lost);
            let interrupted = count(|c| c == Cause::Interrupted);
            let charged = count(charges);
            let counted = [task.counters.0, task.counters.1, task.counters.2].map(usize::from);
            if counted != [charged, lost, interrupted] {
                let how = format!("{}: counters {counted:?}, events {:?}", task.id, task.events);
                verdict.broken("I9", how);
            }
            if task.counters.1 > MAX_LOSSES || task.counters.2 > MAX_INTERRUPTIONS {
                verdict.broken("I9", format!("{}: counters beyond their limits: {counted:?}", task.id));
            }
            if !task.events.iter().map(|(_, attempts)| *attempts).is_sorted() {
                verdict.broken("I9", format!("{}: attempts fall: {:?}", task.id, task.events));
            }
            for (cause, _) in &task.events {
                *verdict.causes.entry(cause.as_str()).or_default() += 1;
            }
        }
    }

    /// I10: the depth is what it says, and never was above its bound.
    fn depths(&self, verdict: &mut Verdict) {
        let open = self.tasks.iter().filter(|task| !task.state.is_terminal()).count() as u64;
        if open != self.depth {
            verdict.broken("I10", format!("the depth is {}, and {open} tasks are open", self.depth));
        }
        if let Some((most, limit)) = self.most.filter(|(most, limit)| most > limit) {
            verdict.broken("I10", format!("{most} tasks were seen, the bound is {limit}"));
        }
    }
}

/// Whether an event of this cause charged an attempt.
fn charges(cause: Cause) -> bool {
    !matches!(cause, Cause::Lost | Cause::Interrupted | Cause::Cancelled)
}
