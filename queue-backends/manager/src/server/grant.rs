//! What each role may ask, and what it is shown. Of types and queues only those that are granted.
//!
//! | role | asks |
//! | --- | --- |
//! | submit | `submit`, `call`, `collect` |
//! | drone | `pump`, `settle`, `beat`, `arrival`, `progress` for its own incarnations; `submit`, for what was spooled beside it |
//! | view | `queues`, `find`, `drones`, `status`: no payloads, results or errors |
//! | admin | everything |

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use skep_queue::{Block, Error, Incarnation, Outcome, QueueName, Settlement, TaskType, block::OnConflict};

use super::principal::{Principal, Who};
use crate::{
    key::Role,
    wire::{Answer, Request},
};

/// Most drones that one key speaks for; the one that it named first is forgotten for the next.
const DRONES: usize = 1024;

/// Which key a drone belongs to: that which first spoke for it.
#[derive(Default)]
pub(super) struct Owners(Mutex<Named>);

#[derive(Default)]
struct Named {
    of: HashMap<Incarnation, Who>,
    drones: HashMap<Who, VecDeque<Incarnation>>,
}

impl Owners {
    /// Who may speak for this drone: from now on this principal, unless another was first.
    fn owner(&self, drone: Incarnation, who: Who) -> Who {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&owner) = owners.of.get(&drone) {
            return owner;
        }
        owners.of.insert(drone, who);
        let own = owners.drones.entry(who).or_default();
        own.push_back(drone);
        let oldest = if own.len() > DRONES { own.pop_front() } else { None };
        oldest.and_then(|oldest| owners.of.remove(&oldest));
        who
    }
}

impl Principal {
    /// Whether he is what he connected as.
    ///
    /// # Errors
    /// `Refused`, in words.
    pub(super) fn honest(&self) -> Result<(), Error> {
        match self.pretended {
            Some(role) => Err(self.refused(&format!("connect as {role}"), "")),
            None => Ok(()),
        }
    }

    /// Whether he may ask this.
    ///
    /// # Errors
    /// `Refused`: says what was asked, and what he may.
    pub(super) fn may(&self, request: &Request, owners: &Owners) -> Result<(), Error> {
        self.honest()?;
        let (verb, roles) = verb(request);
        let role = self.grant.role;
        if role == Role::Admin {
            return Ok(());
        }
        if !roles.contains(&role) {
            return Err(self.refused(verb, ""));
        }
        match request {
            Request::Submit(submission) => self.may_blocks(verb, &submission.blocks),
            Request::Call { block, .. } => self.may_blocks(verb, std::slice::from_ref(block)),
            Request::Settle { settlements } => self.may_blocks(verb, follow_ups(settlements)),
            Request::Pump(pump) => {
                self.may_drone(verb, pump.drone, owners)?;
                self.may_types(verb, &pump.queue, pump.demands.iter().map(|demand| &demand.task_type))
            }
            Request::Beat(beat) => {
                self.may_drone(verb, beat.drone, owners)?;
                self.may_types(verb, &beat.queue, &beat.facts.types)
            }
            Request::Arrival { types } => match types.iter().find(|name| !self.grant.covers_type(name)) {
                Some(name) => Err(self.refused(verb, &format!(" of type {name}"))),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn may_blocks<'a>(&self, verb: &str, blocks: impl IntoIterator<Item = &'a Block>) -> Result<(), Error> {
        for block in blocks {
            let types = std::iter::once(&block.task_type).chain(&block.options.postback);
            self.may_types(verb, &block.queue, types)?;
            // Who holds a unique key may be of any type: replacing it cancels what is not his.
            let replaces =
                block.options.unique_key.is_some() && block.options.on_conflict == OnConflict::Replace;
            if replaces && !self.grant.types.is_empty() {
                return Err(self.refused(verb, " tasks that replace who has their unique key"));
            }
        }
        Ok(())
    }

    fn may_types<'a>(
        &self,
        verb: &str,
        queue: &QueueName,
        types: impl IntoIterator<Item = &'a TaskType>,
    ) -> Result<(), Error> {
        if !self.grant.covers_queue(queue) {
            return Err(self.refused(verb, &format!(" in queue {queue}")));
        }
        match types.into_iter().find(|name| !self.grant.covers_type(name)) {
            Some(name) => Err(self.refused(verb, &format!(" tasks of type {name}"))),
            None => Ok(()),
        }
    }

    fn may_drone(&self, verb: &str, drone: Incarnation, owners: &Owners) -> Result<(), Error> {
        match owners.owner(drone, self.who) {
            owner if owner == self.who => Ok(()),
            owner => Err(self.refused(verb, &format!(" for drone {drone}, which belongs to {owner}"))),
        }
    }

    fn refused(&self, what: &str, more: &str) -> Error {
        let grant = &self.grant;
        Error::Refused(format!("{} ({}) may not {what}{more}: it {}", self.who, self.name, grant.in_words()))
    }

    /// What of an answer he may see.
    pub(super) fn shown(&self, answer: Answer) -> Answer {
        if self.grant.role != Role::View {
            return answer;
        }
        match answer {
            Answer::Found(mut views) => {
                views.retain(|view| self.grant.covers(&view.queue, &view.task_type));
                for view in &mut views {
                    (view.result, view.error) = (None, None);
                }
                Answer::Found(views)
            }
            Answer::Queues(mut views) => {
                views.retain(|view| self.grant.covers_queue(&view.name));
                for view in &mut views {
                    view.types.retain(|of| self.grant.covers_type(&of.name));
                }
                Answer::Queues(views)
            }
            Answer::Drones(mut views) => {
                views.retain(|view| self.grant.covers_queue(&view.queue));
                Answer::Drones(views)
            }
            other => other,
        }
    }

    /// Writes down what an operator does.
    pub(super) fn audit(&self, request: &Request) {
        let (principal, name) = (self.who, &self.name);
        match request {
            Request::Act { act, ids } => {
                tracing::info!(target: "audit", %principal, name, ?act, ?ids, "acts on tasks");
            }
            Request::Set { queue, task_type, setting } => {
                tracing::info!(target: "audit", %principal, name, %queue, ?task_type, ?setting, "sets a queue");
            }
            Request::Drain { drone } => {
                tracing::info!(target: "audit", %principal, name, %drone, "drains a drone");
            }
            Request::Rescue { drone } => {
                tracing::info!(target: "audit", %principal, name, %drone, "takes a drone for gone");
            }
            _ => {}
        }
    }
}

/// How a verb is called, and which roles may use it besides admin.
const fn verb(request: &Request) -> (&'static str, &'static [Role]) {
    use Role::{Drone, Submit, View};
    match request {
        Request::Hello(_) => ("say hello", &Role::ALL),
        Request::Ping => ("ping", &Role::ALL),
        Request::Forget { .. } => ("forget", &Role::ALL),
        Request::Submit(_) => ("submit", &[Submit, Drone]),
        Request::Call { .. } => ("call", &[Submit]),
        Request::Collect { .. } => ("collect", &[Submit]),
        Request::Pump(_) => ("pump", &[Drone]),
        Request::Settle { .. } => ("settle", &[Drone]),
        Request::Beat(_) => ("beat", &[Drone]),
        Request::Arrival { .. } => ("wait for work", &[Drone]),
        Request::Progress { .. } => ("tell of progress", &[Drone]),
        Request::Status => ("see the status", &[View]),
        Request::Queues => ("see queues", &[View]),
        Request::Find(_) => ("find tasks", &[View]),
        Request::Drones => ("see drones", &[View]),
        Request::Task { .. } => ("see a task whole", &[]),
        Request::Act { .. } => ("act on tasks", &[]),
        Request::Set { .. } => ("set a queue", &[]),
        Request::Drain { .. } => ("drain a drone", &[]),
        Request::Rescue { .. } => ("take a drone for gone", &[]),
    }
}

fn follow_ups(settlements: &[Settlement]) -> impl Iterator<Item = &Block> {
    settlements.iter().flat_map(|settlement| &settlement.endings).flat_map(|ending| match &ending.outcome {
        Outcome::Complete { submit, .. } => submit.as_slice(),
        _ => &[],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Naming many drones forgets one's own, not another's.
    #[test]
    fn a_key_crowds_out_nobody_but_itself() {
        let drone = |n: u128| Incarnation::from_bytes(&n.to_be_bytes()).unwrap();
        let (owners, mine, yours) = (Owners::default(), Who::User(1), Who::User(2));
        assert_eq!(owners.owner(drone(0), mine), mine);
        assert_eq!(owners.owner(drone(1), yours), yours);
        for n in 2..2 + DRONES as u128 {
            assert_eq!(owners.owner(drone(n), yours), yours);
        }
        assert_eq!(owners.owner(drone(0), yours), mine, "still mine");
        assert_eq!(owners.owner(drone(1), mine), mine, "long forgotten");
    }
}
