//! The order of a queue that promotes who waits long. Within one priority the ready index is in this order
//! too, since who is due first is promoted first: so it is a merge of five walks along that index.

use std::time::Duration;

use rusqlite::{Rows, params};
use skep_queue::{Priority, Timestamp};

use crate::{
    error::Error,
    mutant::mutant,
    pump::{Held, select_held},
    turn::Turn,
};

pub(crate) const READY_OF: &str =
    select_held!("p.state = 0 and p.lane = ?1 and p.priority = ?2 order by p.run_at, p.block");

/// What is ready in one priority of a lane, from its head on.
struct Walk<'s> {
    rows: Rows<'s>,
    head: Option<Held>,
}

/// Reads what is ready in a lane, in order, until `read` has enough and answers false.
pub(crate) fn until(
    turn: &Turn<'_>,
    lane: i64,
    every: Duration,
    mut read: impl FnMut(Held) -> bool,
) -> Result<(), Error> {
    let prepared = (1..=5).map(|_| turn.db.prepare_cached(READY_OF));
    let mut statements = prepared.collect::<Result<Vec<_>, _>>()?;
    let mut walks = Vec::with_capacity(statements.len());
    for (statement, number) in statements.iter_mut().zip(1..) {
        let mut walk = Walk { rows: statement.query(params![lane, number])?, head: None };
        walk.step()?;
        walks.push(walk);
    }
    loop {
        let heads = walks.iter().enumerate();
        let ranks = heads.filter_map(|(at, walk)| Some((rank(walk.head.as_ref()?, turn.now, every), at)));
        let Some((_, at)) = ranks.min() else { return Ok(()) };
        if let Some(head) = walks[at].step()?
            && !read(head)
        {
            return Ok(());
        }
    }
}

/// Its place in the order, and lower is sooner.
fn rank(held: &Held, now: Timestamp, every: Duration) -> (Priority, bool, i64, i64) {
    let counts_as = held.counts_as(now, Some(every));
    let stayed = mutant!(PromotedFirst) && counts_as.number() == held.part.priority;
    (counts_as, stayed, held.part.run_at, held.part.block)
}

impl Walk<'_> {
    /// Moves on, and answers what was the head.
    fn step(&mut self) -> Result<Option<Held>, Error> {
        let next = self.rows.next()?.map(Held::read).transpose()?;
        Ok(std::mem::replace(&mut self.head, next))
    }
}
