//! Forgetting, in bounded steps: terminal tasks whose time is over, and claims that nobody will ask for.

use rusqlite::params;
use std::time::Duration;

use crate::{error::Error, mutant::mutant, row, turn::Turn};

/// Most endings forgotten in one transaction, which bounds how long a claim waits behind it.
const ENDINGS: usize = 1000;
/// How long a claim with nothing left is remembered, so that it can be asked for again and answers nothing.
/// Far more than any lease: until then its drone has been told that it is over.
const CLAIMS_KEPT: Duration = Duration::from_secs(3600);

pub(crate) const EXPIRED: &str =
    "select id, block from finished where expires_at <= ?1 order by expires_at limit ?2";
const FORGET_CLAIMS: &str = "delete from claims where id in (\
     select o.id from (select id, claim, at from claims order by id limit 1000) o \
     where o.at <= ?1 and not exists (select 1 from parts p where p.state = 2 and p.claim = o.claim))";

/// Forgets a bounded number of each; answers whether there may be more.
pub(crate) fn sweep(turn: &Turn<'_>) -> Result<bool, Error> {
    let moment = if mutant!(SweepTooEarly) { i64::MAX } else { turn.now.micros() };
    let over = params![moment, ENDINGS as i64];
    let expired = row::all(turn.db, EXPIRED, over, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    for (id, block) in &expired {
        row::run(turn.db, "delete from finished where id = ?1", [id])?;
        turn.forget_unused(*block)?;
    }
    row::run(turn.db, FORGET_CLAIMS, [(turn.now - CLAIMS_KEPT).micros()])?;
    Ok(expired.len() == ENDINGS)
}
