//! What this manager has made of the bounds of one queue.

use std::{collections::BTreeMap, time::Duration};

use skep_queue::{
    QueueName, TaskType,
    admin::{QueueView, Setting},
};

use super::{
    Known,
    bound::{Bound, Limits, Promote},
};

/// The bounds of a queue that this manager sees to. What is absent is the store's, or an operator's.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    pub(super) capacity: Option<Rule>,
    pub(super) types: BTreeMap<TaskType, Rule>,
    pub(super) promote: Option<Promoting>,
}

/// One bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) bound: Bound,
    /// What the store has.
    pub(super) limit: Option<u64>,
}

/// Promotion by the mean wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Promoting {
    pub(super) waits: f64,
    /// What the store has.
    pub(super) after: Option<Duration>,
}

impl Rules {
    /// What holds for a queue that the store shows like this (not at all, when it is new), and what is to be
    /// said for once.
    pub(super) fn new(
        named: Option<&Limits>,
        all: &Limits,
        view: Option<&QueueView>,
    ) -> (Self, Vec<Setting>) {
        let default = all.capacity.unwrap_or_default();
        let limit = view.and_then(|view| view.capacity);
        let capacity = match named.and_then(|limits| limits.capacity) {
            Some(bound) => Some(bound),
            // A number that is there was an operator's; one that followed the hands was perhaps ours.
            None => (limit.is_none() || default.is_relative()).then_some(default),
        };
        let own = |task_type: &TaskType| {
            let types = view.into_iter().flat_map(|view| &view.types);
            types.filter(|of| of.name == *task_type).find_map(|of| of.capacity)
        };
        let types = all.types.iter().chain(named.into_iter().flat_map(|limits| &limits.types));
        let rule = |(task_type, bound): (&TaskType, &Bound)| {
            (task_type.clone(), Rule { bound: *bound, limit: own(task_type) })
        };
        let promote = named.and_then(|limits| limits.promote_after).or(all.promote_after);
        let rules = Self {
            capacity: capacity.map(|bound| Rule { bound, limit }),
            types: types.map(rule).collect(),
            promote: match promote {
                Some(Promote::Waits(waits)) => {
                    Some(Promoting { waits, after: view.and_then(|view| view.promote_after) })
                }
                _ => None,
            },
        };
        (rules, once(named, all, promote, view))
    }

    fn rule(&self, task_type: Option<&TaskType>) -> Option<&Rule> {
        match task_type {
            None => self.capacity.as_ref(),
            Some(task_type) => self.types.get(task_type),
        }
    }

    /// A bound of the queue, or of one type, as this manager has told it.
    pub(super) fn limit(&self, task_type: Option<&TaskType>) -> Option<u64> {
        self.rule(task_type).and_then(|rule| rule.limit)
    }

    /// The bounds, the queue's own first.
    pub(super) fn each(&mut self) -> impl Iterator<Item = (Option<TaskType>, &mut Rule)> {
        let types = self.types.iter_mut().map(|(task_type, rule)| (Some(task_type.clone()), rule));
        self.capacity.iter_mut().map(|rule| (None, rule)).chain(types)
    }

    /// An operator has set this: it is no longer this manager's to change.
    pub(super) fn yield_to(&mut self, task_type: Option<&TaskType>, setting: Setting) {
        match (setting, task_type) {
            (Setting::Capacity(_), None) => self.capacity = None,
            (Setting::Capacity(_), Some(task_type)) => drop(self.types.remove(task_type)),
            (Setting::PromoteAfter(_), _) => self.promote = None,
            _ => {}
        }
    }

    /// Whether something is to be told again when hands or waits change.
    fn follows(&self) -> bool {
        let capacity = self.capacity.iter().chain(self.types.values());
        self.promote.is_some() || capacity.into_iter().any(|rule| rule.bound.is_relative())
    }
}

/// What is set when a queue is met, and then left alone.
fn once(
    named: Option<&Limits>,
    all: &Limits,
    promote: Option<Promote>,
    view: Option<&QueueView>,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    let after = match promote {
        Some(Promote::After(after)) => Some(Some(Setting::promote_after(after))),
        Some(Promote::Never) => Some(None),
        Some(Promote::Waits(_)) | None => None,
    };
    if let Some(after) = after
        && after != view.and_then(|view| view.promote_after)
    {
        settings.push(Setting::PromoteAfter(after));
    }
    // What holds for all is for new queues only: another's may be kept longer for a reason.
    let retention = named.and_then(|limits| limits.retention);
    if let Some(retention) = retention.or(all.retention.filter(|_| view.is_none()))
        && view.is_none_or(|view| view.retention != retention.as_secs())
    {
        settings.push(Setting::Retention(retention));
    }
    settings
}

impl Known {
    /// A bound of a queue, or of one type, that this manager sees to.
    pub(super) fn bound(&self, queue: &QueueName, task_type: Option<&TaskType>) -> Option<Bound> {
        self.rules.get(queue)?.rule(task_type).map(|rule| rule.bound)
    }

    /// Whether anything follows hands or waits.
    pub(super) fn follows(&self) -> bool {
        self.rules.values().any(Rules::follows)
    }
}
