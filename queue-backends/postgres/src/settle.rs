//! Settling: endings become arrays.

use skep_queue::{Settled, Settlement};

use crate::{error::Error, queue::PgQueue};

impl PgQueue {
    pub(crate) async fn end(&self, _: Vec<Settlement>) -> Result<Vec<Settled>, Error> {
        Err(Error::Refused("not built".into()))
    }
}
