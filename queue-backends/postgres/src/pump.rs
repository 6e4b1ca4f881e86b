//! Claiming: rows become claimed blocks.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use skep_queue::{BlockId, ClaimId, Claimed, Mask, Options, Payloads, Priority, Pump, QueueName, TaskType};
use sqlx::{
    Arguments, Row,
    postgres::{PgArguments, PgRow},
};
use uuid::Uuid;

use crate::{
    adopt::By,
    error::Error,
    options,
    queue::PgQueue,
    walk::Place,
    wire::{Members, Moment},
};

const PUMP: &str = "select * from skep.pump($1, $2, $3, $4, $5, $6, $7, $8, $9)";
/// More than any drone holds.
const MOST: usize = 1 << 20;
/// How often a claim is asked for while this process tells what its drones hold.
const ASKS: usize = 5;

impl PgQueue {
    pub(crate) async fn claim(&self, pump: Pump) -> Result<Vec<Claimed>, Error> {
        let places = self.walks.begin(&pump, self.store.clock.elapsed());
        let mut claimed = self.ask(&pump, &places).await?;
        // In the order of handing out.
        claimed.sort_by_key(|(place, claimed)| (*place, claimed.live.iter().next()));
        self.note(&pump, &claimed);
        Ok(claimed.into_iter().map(|(_, claimed)| claimed).collect())
    }

    /// Asks until the answer is one that a crash of the server does not undo unnoticed.
    async fn ask(&self, pump: &Pump, places: &[Option<Place>]) -> Result<Vec<(Place, Claimed)>, Error> {
        let durable = self.store.durable_claims();
        for _ in 0..ASKS {
            let asked = self.unflushed.begin();
            let rows = match self.store.call(PUMP, arguments(pump, places, durable)?).await {
                Err(Error::Untold(_)) => {
                    self.adopt(pump.drone, Some(&pump.queue), By::Work).await?;
                    continue;
                }
                rows => rows?,
            };
            let mut reader = Reader { claim: pump.claim, names: None, options: Arc::default() };
            let claimed = rows.iter().map(|row| reader.row(row)).collect::<Result<Vec<_>, _>>()?;
            if durable || self.unflushed.answered(pump.drone, pump.claim, asked, &claimed) {
                return Ok(claimed);
            }
        }
        Err(Error::Waits("the server is being told what is held; a claim waits for that".into()))
    }

    /// Remembers how far the walks came.
    fn note(&self, pump: &Pump, claimed: &[(Place, Claimed)]) {
        let mut got: HashMap<&TaskType, (usize, Place)> = HashMap::new();
        for (place, claimed) in claimed {
            let (tasks, last) = got.entry(&claimed.task_type).or_insert((0, *place));
            (*tasks, *last) = (*tasks + claimed.live.len(), *place);
        }
        for demand in pump.demands.iter().filter(|demand| demand.room > 0) {
            let (tasks, last) = got.get(&demand.task_type).copied().unzip();
            self.walks.end(&pump.queue, demand, tasks.unwrap_or(0), last);
        }
    }
}

fn arguments(pump: &Pump, places: &[Option<Place>], durable: bool) -> Result<PgArguments, Error> {
    let types: Vec<&str> = pump.demands.iter().map(|demand| demand.task_type.as_str()).collect();
    let rooms: Vec<i32> = pump.demands.iter().map(|demand| demand.room.min(MOST) as i32).collect();
    let priorities: Vec<Option<i16>> = places.iter().map(|place| place.map(|place| place.0)).collect();
    let runs: Vec<Option<Moment>> = places.iter().map(|place| place.map(|place| place.1)).collect();
    let seqs: Vec<Option<i64>> = places.iter().map(|place| place.map(|place| place.2)).collect();
    let mut arguments = PgArguments::default();
    let added = arguments
        .add(pump.drone.0)
        .and_then(|()| arguments.add(pump.claim.0))
        .and_then(|()| arguments.add(pump.queue.as_str()))
        .and_then(|()| arguments.add(types))
        .and_then(|()| arguments.add(rooms))
        .and_then(|()| arguments.add(priorities))
        .and_then(|()| arguments.add(runs))
        .and_then(|()| arguments.add(seqs))
        .and_then(|()| arguments.add(durable));
    added.map_err(|error| Error::Refused(error.to_string()))?;
    Ok(arguments)
}

/// Reads rows, of which most are alike.
struct Reader {
    claim: ClaimId,
    /// Of the row before.
    names: Option<(QueueName, TaskType)>,
    /// Of whoever has none.
    options: Arc<Options>,
}

impl Reader {
    fn row(&mut self, row: &PgRow) -> Result<(Place, Claimed), Error> {
        let Members(live) = row.try_get_unchecked(1)?;
        let (queue, task_type) = self.names(row.try_get_unchecked(2)?, row.try_get_unchecked(3)?)?;
        let number: i16 = row.try_get_unchecked(4)?;
        let Moment(created_at) = row.try_get_unchecked(11)?;
        let claimed = Claimed {
            claim: self.claim,
            block: BlockId(row.try_get_unchecked::<Uuid, _>(0)?),
            live,
            queue,
            task_type,
            priority: u8::try_from(number).ok().and_then(|n| Priority::try_from(n).ok()).unwrap_or_default(),
            attempts: count(row, 5)?,
            losses: count(row, 6)?,
            interruptions: count(row, 7)?,
            fence: row.try_get_unchecked::<i32, _>(8)?.max(0).cast_unsigned(),
            suspect: count(row, 9)?.min(255) as u8,
            options: self.options(row.try_get_unchecked(10)?)?,
            created_at,
            payloads: payloads(row, live)?,
        };
        Ok(((number, row.try_get_unchecked(12)?, row.try_get_unchecked(13)?), claimed))
    }

    fn names(&mut self, queue: &str, task_type: &str) -> Result<(QueueName, TaskType), Error> {
        if let Some(names) =
            self.names.as_ref().filter(|(q, t)| (q.as_str(), t.as_str()) == (queue, task_type))
        {
            return Ok(names.clone());
        }
        let odd = |error: skep_queue::name::NameError| Error::Corrupt(error.to_string());
        let names = (queue.parse().map_err(odd)?, task_type.parse().map_err(odd)?);
        Ok(self.names.insert(names).clone())
    }

    fn options(&self, json: Option<&str>) -> Result<Arc<Options>, Error> {
        let Some(json) = json else { return Ok(Arc::clone(&self.options)) };
        options::read(json).map(Arc::new)
    }
}

fn count(row: &PgRow, column: usize) -> Result<u16, Error> {
    Ok(row.try_get_unchecked::<i16, _>(column)?.max(0).cast_unsigned())
}

fn payloads(row: &PgRow, live: Mask) -> Result<Payloads, Error> {
    let body: Option<Vec<u8>> = row.try_get_unchecked(14)?;
    let payloads = body.and_then(|body| Payloads::from_bytes(Bytes::from(body)));
    payloads.map(|payloads| payloads.only(live)).ok_or_else(|| Error::Corrupt("a body is damaged".into()))
}
