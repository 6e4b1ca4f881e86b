//! Settling: endings go out as arrays, and rows become answers.

use skep_queue::{Incarnation, Mask, Settled, Settlement};
use sqlx::{
    Arguments, Row,
    postgres::{PgArguments, PgRow},
};

use crate::{
    adopt::By,
    endings::{self, Item},
    error::Error,
    queue::PgQueue,
    submit,
    wire::Members,
};

const SETTLE: &str = "select * from skep.settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
const FLUSH: &str = "select skep.flush($1)";

impl PgQueue {
    /// What is answered `stale` or `gone` may be of a claim that a crash of the server undid: then the server is told
    /// what its drone holds, and asked again. Lazily for a drone that keeps the outcomes.
    pub(crate) async fn end(
        &self,
        keeper: Option<Incarnation>,
        settlements: Vec<Settlement>,
    ) -> Result<Vec<Settled>, Error> {
        let keeper = keeper.filter(|_| !self.store.durable_claims());
        keeper.inspect(|drone| self.unflushed.begin_lazily(*drone));
        let (lazy, holders) = (keeper.is_some(), self.unflushed.holders(&settlements));
        let mut settled = self.end_all(&settlements, lazy).await?;
        let (mut told, mut again) = (Vec::new(), Vec::new());
        for (of, holder) in holders.into_iter().enumerate() {
            let doubtful = doubtful(&settled[of]);
            let Some(drone) = holder.filter(|_| !doubtful.is_empty()) else { continue };
            if !told.contains(&drone) {
                self.adopt(drone, None, By::Work).await?;
                told.push(drone);
            }
            again.push((of, endings::only(&settlements[of], doubtful)));
        }
        let (places, again): (Vec<usize>, Vec<Settlement>) = again.into_iter().unzip();
        for (of, answer) in places.into_iter().zip(self.end_all(&again, lazy).await?) {
            believe(&mut settled[of], answer);
        }
        // What is lazily settled shows nothing: a crash may undo it and its claim together.
        if !lazy {
            self.unflushed.settled(&settlements, &settled);
        }
        Ok(settled)
    }

    /// Whether all that the drone settled lazily is on disk now. If not, the server has been told what it holds.
    pub(crate) async fn make_durable(&self, drone: Incarnation) -> Result<bool, Error> {
        let Some(begun) = self.unflushed.begin_flush(drone) else { return Ok(true) };
        let mut arguments = PgArguments::default();
        arguments.add(drone.0).map_err(Error::unsendable)?;
        let rows = self.store.call(FLUSH, arguments).await?;
        let heard = rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(false);
        if heard {
            self.unflushed.beaten(drone, begun);
        } else {
            self.adopt(drone, None, By::Work).await?;
        }
        Ok(self.unflushed.end_flush(drone, begun) && heard)
    }

    /// One call; a second one for what looked plainly done and was not: a repetition, a late one, a postback.
    async fn end_all(&self, settlements: &[Settlement], lazy: bool) -> Result<Vec<Settled>, Error> {
        let mut settled = vec![Settled::default(); settlements.len()];
        let (done, others) = endings::sorted(settlements);
        let left = self.end_items((&done, &others), lazy, &mut settled).await?;
        let rest = endings::rest(settlements, &left);
        self.end_items((&[], &rest), lazy, &mut settled).await?;
        Ok(settled)
    }

    /// Answers what is left of `done`: of which settlement, and which members.
    async fn end_items(
        &self,
        (done, others): (&[Item<'_>], &[Item<'_>]),
        lazy: bool,
        settled: &mut [Settled],
    ) -> Result<Vec<(usize, Mask)>, Error> {
        if done.is_empty() && others.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.store.call(SETTLE, endings::arguments(done, others, lazy)?).await?;
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

/// Members that nothing was answered of but that they are another's, or nobody's.
fn doubtful(settled: &Settled) -> Mask {
    (settled.stale | settled.gone) - settled.accepted - settled.already - settled.refused
}

/// Of what was doubtful the second answer holds.
fn believe(settled: &mut Settled, answer: Settled) {
    let doubtful = doubtful(settled);
    settled.stale = (settled.stale - doubtful) | answer.stale;
    settled.gone = (settled.gone - doubtful) | answer.gone;
    settled.accepted |= answer.accepted;
    settled.already |= answer.already;
    settled.refused |= answer.refused;
    settled.rejection = settled.rejection.take().or(answer.rejection);
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
