//! What an operator sees of queues and drones, and does.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use skep_queue::{
    DroneFacts, Incarnation, QueueName, TaskId, TaskType, Timestamp,
    admin::{Act, Acted, DroneView, QueueView, Setting, State},
    block::CEILING_MAX_PAYLOAD,
};
use sqlx::{Arguments, Row, postgres::PgArguments, types::Json};
use uuid::Uuid;

use crate::{error::Error, queue::PgQueue, submit};

const QUEUES: &str = "select skep.see_queues()";
const DRONES: &str = "select skep.see_drones()";
const ACT: &str = "select skep.act($1, $2)";
const CHANGE: &str = "select skep.change($1, $2, $3, $4)";
const DRAIN: &str = "select skep.drain($1)";
const TAKE_FOR_GONE: &str = "select * from skep.take_for_gone($1)";

/// Tasks in one call of `act`: each takes up to a millisecond or so, and a statement has seconds.
const STEP: usize = 250;
/// The longest retention in microseconds: a hundred years.
const MOST_RETENTION: u128 = 100 * 365 * 86_400 * 1_000_000;

/// Most steps of an operator's rescue, each of up to 100 claims; what is left waits for the next look.
const STEPS: usize = 100;

/// A drone as the functions show it.
#[derive(Deserialize)]
struct Shown {
    incarnation: Incarnation,
    queue: QueueName,
    beat_at: Timestamp,
    silent: bool,
    draining: bool,
    facts: serde_json::Value,
}

/// What became of a task, as the functions say it.
#[derive(Deserialize)]
struct Answer {
    acted: Word,
    state: Option<State>,
    rejection: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Done,
    Requested,
    Unchanged,
    NotFound,
    Rejected,
}

impl PgQueue {
    pub(crate) async fn see_queues(&self) -> Result<Vec<QueueView>, Error> {
        self.json(QUEUES, PgArguments::default()).await
    }

    pub(crate) async fn see_drones(&self) -> Result<Vec<DroneView>, Error> {
        let drones: Vec<Shown> = self.json(DRONES, PgArguments::default()).await?;
        Ok(drones.into_iter().map(DroneView::from).collect())
    }

    pub(crate) async fn act_on(&self, act: Act, ids: Vec<TaskId>) -> Result<Vec<Acted>, Error> {
        let act = match act {
            Act::Cancel => "cancel",
            Act::Retry => "retry",
            Act::Discard => "discard",
        };
        let mut acted = Vec::with_capacity(ids.len());
        for ids in ids.chunks(STEP) {
            let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
            let mut arguments = PgArguments::default();
            arguments.add(act).map_err(Error::unsendable)?;
            arguments.add(ids).map_err(Error::unsendable)?;
            let answers: Vec<Answer> = self.json(ACT, arguments).await?;
            for answer in answers {
                acted.push(answer.try_into()?);
            }
        }
        Ok(acted)
    }

    pub(crate) async fn change(
        &self,
        queue: QueueName,
        of: Option<TaskType>,
        setting: Setting,
    ) -> Result<(), Error> {
        let (name, value) = match setting {
            Setting::Paused(paused) => ("paused", Some(i64::from(paused))),
            Setting::Capacity(capacity) => {
                ("capacity", capacity.map(|most| i64::try_from(most).unwrap_or(i64::MAX)))
            }
            _ if of.is_some() => {
                return Err(Error::Refused("a type has no such setting: its queue has".into()));
            }
            Setting::Intake(intake) => ("intake", Some(intake as i64)),
            Setting::Retention(kept) => ("retention", Some(kept.as_micros().min(MOST_RETENTION) as i64)),
            Setting::PromoteAfter(time) => {
                ("promote_after", time.map(|time| Setting::promote_after(time).as_micros() as i64))
            }
            Setting::MaxPayload(bytes) => ("max_payload", Some(bytes.min(CEILING_MAX_PAYLOAD) as i64)),
        };
        let mut arguments = PgArguments::default();
        arguments.add(queue.as_str()).map_err(Error::unsendable)?;
        arguments.add(of.as_ref().map(|of| of.as_str())).map_err(Error::unsendable)?;
        arguments.add(name).map_err(Error::unsendable)?;
        arguments.add(value).map_err(Error::unsendable)?;
        self.store.call(CHANGE, arguments).await.map(drop)
    }

    pub(crate) async fn tell_to_drain(&self, drone: Incarnation) -> Result<bool, Error> {
        let mut arguments = PgArguments::default();
        arguments.add(drone.0).map_err(Error::unsendable)?;
        let rows = self.store.call(DRAIN, arguments).await?;
        let told = rows.first().map(|row| row.try_get(0)).transpose()?;
        Ok(told.unwrap_or(false))
    }

    pub(crate) async fn take_for_gone(&self, drone: Incarnation) -> Result<bool, Error> {
        let mut known = false;
        for _ in 0..STEPS {
            let mut arguments = PgArguments::default();
            arguments.add(drone.0).map_err(Error::unsendable)?;
            let rows = self.store.call(TAKE_FOR_GONE, arguments).await?;
            let row = rows.first().ok_or_else(|| Error::Corrupt("no answer".into()))?;
            known |= row.try_get::<bool, _>("o_known")?;
            if !row.try_get::<bool, _>("o_more")? {
                break;
            }
        }
        Ok(known)
    }

    /// Calls what answers one value of JSON.
    async fn json<T>(&self, sql: &str, arguments: PgArguments) -> Result<T, Error>
    where
        T: DeserializeOwned + Send + Unpin + 'static,
    {
        let rows = self.store.call(sql, arguments).await?;
        let row = rows.first().ok_or_else(|| Error::Corrupt("no answer".into()))?;
        Ok(row.try_get::<Json<T>, _>(0)?.0)
    }
}

impl From<Shown> for DroneView {
    fn from(shown: Shown) -> Self {
        let Shown { incarnation, queue, beat_at, silent, draining, facts } = shown;
        let facts: DroneFacts = serde_json::from_value(facts).unwrap_or_default();
        Self { incarnation, queue, beat_at, silent, draining, facts }
    }
}

impl TryFrom<Answer> for Acted {
    type Error = Error;
    fn try_from(answer: Answer) -> Result<Self, Error> {
        let Answer { acted, state, rejection } = answer;
        let missing = || Error::Corrupt("an answer without its reason".into());
        Ok(match acted {
            Word::Done => Self::Done,
            Word::Requested => Self::Requested,
            Word::NotFound => Self::NotFound,
            Word::Unchanged => Self::Unchanged(state.ok_or_else(missing)?),
            Word::Rejected => Self::Rejected(submit::rejection(rejection.ok_or_else(missing)?.get())?),
        })
    }
}
