//! Settling: endings go out as arrays, and rows become answers.

use skep_queue::{Mask, Settled, Settlement};
use sqlx::{Row, postgres::PgRow};

use crate::{
    endings::{self, Item},
    error::Error,
    queue::PgQueue,
    submit,
    wire::Members,
};

const SETTLE: &str = "select * from skep.settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

impl PgQueue {
    /// One call; a second one for what looked plainly done and was not: a repetition, a late one, a postback.
    pub(crate) async fn end(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>, Error> {
        let mut settled = vec![Settled::default(); settlements.len()];
        let (done, others) = endings::sorted(&settlements);
        let left = self.end_items(&done, &others, &mut settled).await?;
        let rest = endings::rest(&settlements, &left);
        self.end_items(&[], &rest, &mut settled).await?;
        Ok(settled)
    }

    /// Answers what is left of `done`: of which settlement, and which members.
    async fn end_items(
        &self,
        done: &[Item<'_>],
        others: &[Item<'_>],
        settled: &mut [Settled],
    ) -> Result<Vec<(usize, Mask)>, Error> {
        if done.is_empty() && others.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.store.call(SETTLE, endings::arguments(done, others)?).await?;
        let mut left = Vec::new();
        for item in done {
            settled[item.of].accepted |= item.members;
        }
        for row in &rows {
            let number: i32 = row.try_get_unchecked(0)?;
            let at = (number.unsigned_abs() as usize).wrapping_sub(1);
            let item = if number < 0 { done.get(at) } else { others.get(at) };
            let item = item.ok_or_else(|| Error::Corrupt(format!("a settle answered item {number}")))?;
            if number > 0 {
                note(&mut settled[item.of], row)?;
            } else {
                let members = mask(row, 5)?;
                settled[item.of].accepted -= members;
                left.push((item.of, members));
            }
        }
        Ok(left)
    }
}

fn note(settled: &mut Settled, row: &PgRow) -> Result<(), Error> {
    settled.accepted |= mask(row, 1)?;
    settled.already |= mask(row, 2)?;
    settled.stale |= mask(row, 3)?;
    settled.gone |= mask(row, 4)?;
    settled.refused |= mask(row, 5)?;
    if let Some(json) = row.try_get_unchecked::<Option<&str>, _>(6)? {
        settled.rejection.get_or_insert(submit::rejection(json)?);
    }
    Ok(())
}

fn mask(row: &PgRow, column: usize) -> Result<Mask, Error> {
    Ok(row.try_get_unchecked::<Members, _>(column)?.0)
}
