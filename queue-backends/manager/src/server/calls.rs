//! Waiting for an end: right after the submit, or by the id later.

use std::time::Duration;

use skep_queue::{Block, Error, Submission, Submitted, TaskId, admin::State};

use super::{callers::end_of, question::Question, session::Session};
use crate::wire::{Answer, End};

impl Session {
    /// Submits a task and waits for its end. One that is not taken, or whose key another has, answers at once.
    pub(super) async fn call(
        &self,
        question: &mut Question,
        block: Block,
        wait: Duration,
    ) -> Result<Answer, Error> {
        if block.payloads.len() != 1 {
            let members = block.payloads.len();
            return Err(Error::Refused(format!("a call is for the end of one task, not of {members}")));
        }
        // Before the submit, so that no end is missed.
        let caller = self.server.callers.register(block.id.task(0), Box::new(question.notes()));
        let answers = self.server.submit_lazily(Submission::whole(vec![block])).await?;
        let Some(submitted) = answers.into_iter().next() else {
            return Err(Error::Corrupt("the queue answers nothing to a submit".into()));
        };
        match submitted {
            Submitted::Accepted => caller.look(false),
            // Asked again after a link was lost: it may have ended meanwhile.
            Submitted::Existing => caller.look(true),
            _ => return Ok(Answer::Called { submitted, end: End::NotKept }),
        }
        question.rest();
        let end = caller.end(wait).await;
        // A drone's word is durable, and with it what came before it; other ends, and the word that a task was taken,
        // need not be yet.
        if !matches!(end, End::Over { state: State::Completed, .. }) {
            self.server.durable().await?;
        }
        question.resume(size(&end)).await;
        Ok(Answer::Called { submitted, end })
    }

    /// Waits for the end of a task that was submitted before; not at all when there is no time to.
    pub(super) async fn collect(
        &self,
        question: &mut Question,
        id: TaskId,
        wait: Duration,
    ) -> Result<Answer, Error> {
        let caller = self.server.callers.register(id, Box::new(question.notes()));
        let task = self.server.backend.task(id).await?;
        // Whose results are not granted is not there.
        let grant = &self.principal.grant;
        let task = task.filter(|task| grant.covers(&task.view.queue, &task.view.task_type));
        let end = match end_of(task) {
            Some(end) => end,
            None if wait.is_zero() => End::Waiting,
            None => {
                caller.look(false);
                question.rest();
                caller.end(wait).await
            }
        };
        question.resume(size(&end)).await;
        Ok(Answer::Collected(end))
    }
}

/// About how many bytes it takes.
fn size(end: &End) -> usize {
    match end {
        End::Over { result, error, .. } => {
            result.as_ref().map_or(0, |result| result.len()) + error.as_ref().map_or(0, String::len)
        }
        End::Waiting | End::NotKept => 0,
    }
}
