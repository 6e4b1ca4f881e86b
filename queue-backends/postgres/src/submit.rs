//! Submitting: blocks become arrays.

use skep_queue::{Submission, Submitted};

use crate::{error::Error, queue::PgQueue};

impl PgQueue {
    pub(crate) async fn submit_blocks(&self, _: Submission) -> Result<Vec<Submitted>, Error> {
        Err(Error::Refused("not built".into()))
    }
}
