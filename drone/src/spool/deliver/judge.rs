//! What becomes of a row by what its queue has answered.

use skep_queue::{Block, BlockId, Payloads, Reason, Rejection, Submitted, TaskId};

use super::Round;
use crate::spool::{Fate, Row, Verdict};

impl Round<'_> {
    /// What becomes of the rows of a call by its answers.
    pub(super) fn judge(&mut self, rows: &[Row], blocks: &[Block], answers: Vec<Submitted>) -> Vec<Verdict> {
        let mut answers = blocks.iter().zip(answers);
        let mut verdicts = Vec::new();
        for row in rows {
            let own: Vec<_> = answers.by_ref().take(row.blocks.iter().flatten().count()).collect();
            // As they were kept, not as they were sent.
            let kept: Vec<_> =
                row.blocks.iter().flatten().zip(own.into_iter().map(|(_, answer)| answer)).collect();
            verdicts.push(if row.partial { self.apart(row.seq, kept) } else { self.whole(row, &kept) });
        }
        verdicts
    }

    /// A row that goes as a whole, or not at all.
    fn whole(&mut self, row: &Row, answers: &[(&Block, Submitted)]) -> Verdict {
        let holder = answers.iter().find_map(|(_, answer)| match answer {
            Submitted::Conflict { holder } => Some(holder),
            _ => None,
        });
        let refused = answers.iter().find_map(|(block, answer)| match answer {
            Submitted::Rejected(no) => Some((*block, no)),
            _ => None,
        });
        // A conflict is the cause of its neighbours' rejections, and says more.
        let why = match (holder, refused) {
            (Some(holder), _) => conflict(holder),
            (None, Some((block, no))) => {
                let counted = |other: &Block| {
                    let of_type = no.reason != Reason::TypeFull || other.task_type == block.task_type;
                    other.queue == block.queue && of_type
                };
                let counted = answers.iter().map(|(block, _)| *block).filter(|other| counted(other));
                let (at_once, no_room) = (tasks_of(counted), [Reason::QueueFull, Reason::TypeFull]);
                if no_room.contains(&no.reason) && no.limit > 0 && at_once as u64 > no.limit {
                    format!(
                        "{}: {at_once} tasks at once, and there is never room for more than {}",
                        no.reason.as_str(),
                        no.limit
                    )
                } else if no.reason.passes() {
                    self.block(block, no);
                    return Verdict { seq: row.seq, fate: waits(None, no), refused: Vec::new() };
                } else {
                    no.to_string()
                }
            }
            (None, None) => {
                self.done.tasks += tasks_of(answers.iter().map(|(block, _)| *block));
                return Verdict { seq: row.seq, fate: Fate::Gone, refused: Vec::new() };
            }
        };
        self.done.refused += 1;
        refuse(row, why)
    }

    /// A row whose blocks, and members, each go as they can.
    fn apart(&mut self, seq: i64, answers: Vec<(&Block, Submitted)>) -> Verdict {
        let (mut left, mut refused, mut why, mut changed) = (Vec::new(), Vec::new(), None, false);
        for (block, answer) in answers {
            let n = block.payloads.len();
            match answer {
                Submitted::Accepted | Submitted::Existing | Submitted::Skipped { .. } => {
                    self.done.tasks += n;
                    changed = true;
                }
                Submitted::Partly { accepted, rejection } => {
                    self.done.tasks += accepted;
                    left.extend(singles(block, accepted));
                    changed = true;
                    self.block(block, &rejection);
                    why = Some(rejection);
                }
                Submitted::Rejected(no) if no.reason.passes() => {
                    left.push(block.clone());
                    self.block(block, &no);
                    why = Some(no);
                }
                // One bad member spoils its block, but strangers must not suffer for it.
                Submitted::Rejected(no) if n > 1 => {
                    left.extend(singles(block, 0));
                    changed = true;
                    why.get_or_insert(no);
                }
                Submitted::Rejected(no) => refused.push((block.clone(), no.to_string())),
                Submitted::Conflict { holder } => refused.push((block.clone(), conflict(&holder))),
            }
        }
        self.done.refused += refused.len();
        let fate = match why {
            None => Fate::Gone,
            Some(no) => waits((changed || !refused.is_empty()).then_some(left), &no),
        };
        Verdict { seq, fate, refused }
    }

    /// What is behind it must wait, too.
    fn block(&mut self, block: &Block, no: &Rejection) {
        let of_type = matches!(no.reason, Reason::TypeFull | Reason::KeyFull | Reason::NoWorker);
        self.blocked.insert((block.queue.clone(), of_type.then(|| block.task_type.clone())), no.clone());
    }
}

/// The members of a block from `first` on, each in a block of its own, under the id it has had all along.
fn singles(block: &Block, first: usize) -> impl Iterator<Item = Block> {
    block.mask().iter().skip(first).map(move |ordinal| Block {
        id: BlockId(block.id.task(ordinal).0),
        payloads: Payloads::new(&[block.payloads.get(ordinal)]),
        ..block.clone()
    })
}

pub(super) fn refuse(row: &Row, why: String) -> Verdict {
    Verdict { seq: row.seq, fate: Fate::Refused { why }, refused: Vec::new() }
}

fn waits(left: Option<Vec<Block>>, no: &Rejection) -> Fate {
    Fate::Waits { left, why: no.to_string() }
}

fn conflict(holder: &TaskId) -> String {
    format!("conflict: task {holder} has this id or unique key")
}

fn tasks_of<'a>(blocks: impl Iterator<Item = &'a Block>) -> usize {
    blocks.map(|block| block.payloads.len()).sum()
}
