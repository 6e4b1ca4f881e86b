//! What a handler shows to end its task in a transaction of its own, in a store that can do that.

use crate::{ClaimId, TaskId};

/// Who has which task. It is as good as the claim: once that is lost, so is the receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The task.
    pub task: TaskId,
    /// The claim under which it was handed out.
    pub claim: ClaimId,
}

/// Whoever has a task: a handler's context.
pub trait Holder {
    /// The receipt, or in words why this task cannot end elsewhere.
    ///
    /// # Errors
    /// When more would have to happen with the end than the store can know.
    fn receipt(&self) -> Result<Receipt, String>;
}
