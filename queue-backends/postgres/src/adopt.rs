//! Telling a server that has recovered from a crash what a drone holds: see [`Unflushed`](crate::unflushed).

use skep_queue::{Incarnation, QueueName};
use sqlx::{Arguments, postgres::PgArguments};
use uuid::Uuid;

use crate::{error::Error, queue::PgQueue, unflushed::Held, wire};

const ADOPT: &str = "select skep.adopt($1, $2, $3, $4, $5, $6, $7)";

/// Most rows told in one call, unless one claim has more.
const ROWS: usize = 2000;

/// Which connection is used.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By {
    Work,
    Beat,
}

impl PgQueue {
    /// What a crash has undone of what the drone holds becomes its own again, as far as it is still to be had; and
    /// the drone may claim. The queue is what it pumps, where that is known.
    pub(crate) async fn adopt(
        &self,
        drone: Incarnation,
        queue: Option<&QueueName>,
        by: By,
    ) -> Result<(), Error> {
        let telling = self.unflushed.tell(drone);
        let mut calls = calls(&telling.held).into_iter().peekable();
        while let Some(held) = calls.next() {
            let arguments = arguments(drone, queue, held, calls.peek().is_none())?;
            match by {
                By::Work => self.store.call(ADOPT, arguments).await?,
                By::Beat => self.store.call_beat(ADOPT, arguments).await?,
            };
        }
        let claims = telling.held.chunk_by(|a, b| a.claim == b.claim).count();
        tracing::debug!(%drone, claims, "the server was told what is held");
        Ok(())
    }
}

/// What is told in each call: whole claims. At least one call, which may have nothing to tell.
fn calls(held: &[Held]) -> Vec<&[Held]> {
    let (mut calls, mut begin, mut end) = (Vec::new(), 0, 0);
    for claim in held.chunk_by(|a, b| a.claim == b.claim) {
        if end > begin && end - begin + claim.len() > ROWS {
            calls.push(&held[begin..end]);
            begin = end;
        }
        end += claim.len();
    }
    calls.push(&held[begin..end]);
    calls
}

fn arguments(
    drone: Incarnation,
    queue: Option<&QueueName>,
    held: &[Held],
    all: bool,
) -> Result<PgArguments, Error> {
    let claims: Vec<Uuid> = held.iter().map(|held| held.claim.0).collect();
    let blocks: Vec<Uuid> = held.iter().map(|held| held.block.0).collect();
    let members: Vec<String> = held.iter().map(|held| wire::members(held.members)).collect();
    let fences: Vec<i32> = held.iter().map(|held| held.fence.cast_signed()).collect();
    let mut arguments = PgArguments::default();
    arguments.add(drone.0).map_err(Error::unsendable)?;
    arguments.add(queue.map(QueueName::as_str)).map_err(Error::unsendable)?;
    arguments.add(claims).map_err(Error::unsendable)?;
    arguments.add(blocks).map_err(Error::unsendable)?;
    arguments.add(members).map_err(Error::unsendable)?;
    arguments.add(fences).map_err(Error::unsendable)?;
    arguments.add(all).map_err(Error::unsendable)?;
    Ok(arguments)
}
