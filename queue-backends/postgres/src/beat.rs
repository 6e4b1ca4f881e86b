//! The heartbeat, and what follows from the silence of others.

use skep_queue::{Beat, Orders};

use crate::{error::Error, queue::PgQueue};

impl PgQueue {
    pub(crate) async fn renew(&self, _: Beat) -> Result<Orders, Error> {
        Err(Error::Refused("not built".into()))
    }
}
