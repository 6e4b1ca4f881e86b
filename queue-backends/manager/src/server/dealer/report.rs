//! What a call may make available, read before it is passed on.

use skep_queue::{Block, ClaimId, Due, Mask, Outcome, Settlement, Submission};

use super::Kind;

/// What settlements may make available, in their order.
pub(in crate::server) struct Report(pub(super) Vec<Part>);

pub(super) struct Part {
    pub(super) claim: ClaimId,
    /// Members that ran.
    pub(super) runs: Mask,
    /// Members that are given back, to be tried again at once.
    pub(super) back: Mask,
    /// What enters with them.
    pub(super) follow: Vec<(Kind, usize)>,
}

/// What a submission brings, block by block: its kind, and how many tasks that may start at once.
pub(in crate::server) fn brings(submission: &Submission) -> Vec<(Kind, usize)> {
    submission.blocks.iter().map(block_brings).collect()
}

fn block_brings(block: &Block) -> (Kind, usize) {
    let tasks = if block.due == Due::Now { block.payloads.len() } else { 0 };
    ((block.queue.clone(), block.task_type.clone()), tasks)
}

impl Report {
    /// Reads settlements.
    pub(in crate::server) fn of(settlements: &[Settlement]) -> Self {
        Self(settlements.iter().map(Part::of).collect())
    }
}

impl Part {
    fn of(settlement: &Settlement) -> Self {
        let (mut runs, mut back, mut follow) = (Mask::EMPTY, Mask::EMPTY, Vec::new());
        for ending in &settlement.endings {
            match &ending.outcome {
                Outcome::Complete { submit, .. } => {
                    runs |= ending.members;
                    follow.extend(submit.iter().map(block_brings));
                }
                Outcome::Discard { .. } | Outcome::Cancel { .. } => runs |= ending.members,
                Outcome::Retry { after, .. } => {
                    runs |= ending.members;
                    if after.is_zero() {
                        back |= ending.members;
                    }
                }
                Outcome::Snooze { after } if after.is_zero() => back |= ending.members,
                Outcome::Snooze { .. } => {}
                Outcome::Release | Outcome::Interrupt => back |= ending.members,
            }
        }
        Self { claim: settlement.claim, runs, back, follow }
    }
}
