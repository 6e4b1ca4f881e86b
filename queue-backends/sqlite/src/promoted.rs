//! The order of a queue that promotes who waits long. Within one priority the ready index is in this order
//! too, since who is due first is promoted first: so it is a merge of five walks along that index.

use std::time::Duration;

use rusqlite::{Rows, params};

use crate::{
    error::Error,
    lane::micros,
    mutant::mutant,
    pump::{Held, select_held},
    turn::Turn,
};

pub(crate) const READY_OF: &str =
    select_held!("p.state = 0 and p.lane = ?1 and p.priority = ?2 order by p.run_at, p.block");

/// How much sooner than the last the first priority is.
const STEPS: i64 = 4;

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
    let prepared = (0..=STEPS).map(|_| turn.db.prepare_cached(READY_OF));
    let mut statements = prepared.collect::<Result<Vec<_>, _>>()?;
    let mut walks = Vec::with_capacity(statements.len());
    for (statement, number) in statements.iter_mut().zip(1..) {
        let mut walk = Walk { rows: statement.query(params![lane, number])?, head: None };
        walk.step()?;
        walks.push(walk);
    }
    let (now, every) = (turn.now.micros(), micros(every).max(1));
    loop {
        let heads = walks.iter().enumerate();
        let ranks = heads.filter_map(|(at, walk)| Some((rank(walk.head.as_ref()?, now, every), at)));
        let Some((_, at)) = ranks.min() else { return Ok(()) };
        if let Some(head) = walks[at].step()?
            && !read(head)
        {
            return Ok(());
        }
    }
}

/// Its place in the order, and lower is sooner.
fn rank(held: &Held, now: i64, every: i64) -> (i64, bool, i64, i64) {
    let (number, run_at) = (i64::from(held.part.priority), held.part.run_at);
    let sooner = (now.saturating_sub(run_at).max(0) / every).min(STEPS);
    let counts_as = (number - sooner).max(1);
    (counts_as, mutant!(PromotedFirst) && counts_as == number, run_at, held.part.block)
}

impl Walk<'_> {
    /// Moves on, and answers what was the head.
    fn step(&mut self) -> Result<Option<Held>, Error> {
        let next = self.rows.next()?.map(Held::read).transpose()?;
        Ok(std::mem::replace(&mut self.head, next))
    }
}
