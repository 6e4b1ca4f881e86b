//! From tasks to blocks, and from a block's answer to those of its members.

use std::sync::Arc;

use skep_queue::{Block, BlockId, Clock, Payloads, Random, Submitted, block};

use super::{
    error::{Error, Landed, Receipt, Result},
    spooling::Answer,
    task::NewTask,
};
use crate::spool::{Full, Held};

/// Packs tasks, in order: neighbours that differ only in their payload share blocks.
pub(super) fn pack(tasks: &[NewTask], clock: &dyn Clock, random: &dyn Random) -> Vec<Block> {
    let groups = tasks.chunk_by(NewTask::goes_with);
    groups.flat_map(|group| pack_group(group, clock, random)).collect()
}

fn pack_group(group: &[NewTask], clock: &dyn Clock, random: &dyn Random) -> Vec<Block> {
    let Some(first) = group.first() else { return Vec::new() };
    let like = Block {
        id: first.id.map_or_else(|| BlockId::new(clock, random), |id| BlockId(id.0)),
        queue: first.queue.clone(),
        task_type: first.task_type.clone(),
        priority: first.priority,
        due: first.due,
        options: Arc::clone(&first.options),
        payloads: Payloads::new(&[&first.payload]),
    };
    if group.len() == 1 {
        return vec![like];
    }
    let payloads: Vec<_> = group.iter().map(|task| &task.payload).collect();
    block::pack(&like, &payloads, || BlockId::new(clock, random))
}

/// One answer a task, in order.
pub(super) fn unpack(blocks: &[Block], answers: Vec<Answer>) -> Vec<Result<Receipt>> {
    blocks.iter().zip(answers).flat_map(|(block, answer)| unpack_block(block, &answer)).collect()
}

pub(super) fn unpack_block(block: &Block, answer: &Answer) -> Vec<Result<Receipt>> {
    let answer = match answer {
        Answer::Queue(answer) => answer,
        Answer::Spool(held, why) => {
            return block.mask().iter().map(|ordinal| spooled(block, ordinal, held, why)).collect();
        }
    };
    let here = |ordinal, landed| Ok(Receipt { id: block.id.task(ordinal), landed });
    let member = |ordinal: u8| match answer {
        Submitted::Accepted => here(ordinal, Landed::Accepted),
        Submitted::Existing => here(ordinal, Landed::Existing),
        Submitted::Partly { accepted, .. } if usize::from(ordinal) < *accepted => {
            here(ordinal, Landed::Accepted)
        }
        Submitted::Partly { rejection, .. } | Submitted::Rejected(rejection) => {
            Err(Error::Rejected(rejection.clone()))
        }
        Submitted::Skipped { holder } => Ok(Receipt { id: *holder, landed: Landed::Skipped }),
        Submitted::Conflict { holder } => Err(Error::Conflict { holder: *holder }),
    };
    block.mask().iter().map(member).collect()
}

fn spooled(block: &Block, ordinal: u8, held: &Held, why: &Error) -> Result<Receipt> {
    match *held {
        Held::Kept => Ok(Receipt { id: block.id.task(ordinal), landed: Landed::Spooled }),
        Held::Conflict { holder } => Err(Error::Conflict { holder }),
        Held::Full(Full { depth, limit, unit }) => {
            Err(Error::SpoolFull { depth, limit, unit, why: Box::new(why.clone()) })
        }
    }
}
