//! Claiming: rows become claimed blocks.

use skep_queue::{Claimed, Pump};

use crate::{error::Error, queue::PgQueue};

impl PgQueue {
    pub(crate) async fn claim(&self, _: Pump) -> Result<Vec<Claimed>, Error> {
        Err(Error::Refused("not built".into()))
    }
}
