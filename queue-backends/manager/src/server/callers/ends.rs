//! Ends, told by what brought them.

use bytes::Bytes;
use skep_queue::{
    Outcome,
    admin::{State, TaskDetail},
};

use crate::wire::End;

/// The end that an accepted outcome is, if it is one.
pub(super) fn of_outcome(outcome: &Outcome) -> Option<End> {
    let state = outcome.ends_in()?;
    let result = match outcome {
        Outcome::Complete { result, .. } => result.clone(),
        _ => None,
    };
    let failure = outcome.failure();
    let (error, cause) = (failure.map(|failure| failure.error.clone()), failure.map(|failure| failure.cause));
    Some(End::Over { state, result, error, cause })
}

/// What the store knows of a task, as an end; `None` while it goes on. What went wrong on the way to a good end
/// is no part of it.
pub(in super::super) fn end_of(detail: Option<TaskDetail>) -> Option<End> {
    let Some(TaskDetail { view, history, .. }) = detail else { return Some(End::NotKept) };
    if !view.state.is_terminal() {
        return None;
    }
    let bad = view.state != State::Completed;
    let result = view.result.map(|raw| Bytes::from(String::from(Box::<str>::from(raw))));
    let error = view.error.filter(|_| bad);
    let cause = history.last().map(|event| event.cause).filter(|_| bad);
    Some(End::Over { state: view.state, result, error, cause })
}
