//! The heartbeat, and what follows from the silence of others.

use std::{sync::PoisonError, time::Duration};

use skep_queue::{Beat, ClaimId, Incarnation, Orders, Pulse, TaskId, TaskType};
use sqlx::{
    Arguments, Row,
    postgres::{PgArguments, PgRow},
    types::Json,
};
use uuid::Uuid;

use crate::{adopt::By, error::Error, queue::PgQueue};

const BEAT: &str = "select * from skep.beat($1, $2, $3, $4, $5, $6, $7, $8)";
const RESCUE: &str = "select skep.rescue($1, $2)";
const MAINTAIN: &str = "select skep.maintain()";

/// Most calls that one beat makes for one silent drone, or to clean up; what is left waits for the next.
const STEPS: usize = 16;
/// Beats of one call: told what is held, the server hears the second, unless it crashed in between.
const BEATS: usize = 3;
/// How often a process cleans up.
const MAINTENANCE: Duration = Duration::from_secs(60);

impl PgQueue {
    pub(crate) async fn renew(&self, beat: Beat) -> Result<Orders, Error> {
        let leaving = beat.leaving;
        let row = self.beat_until_heard(&beat).await?;
        let (orders, pulses) = (orders(&row)?, pulses(&row)?);
        let silent = {
            let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
            watch.look(self.store.clock.elapsed(), &pulses)
        };
        for pulse in &silent {
            // Who is not answered now will not be a moment later.
            if !self.rescue(pulse).await {
                break;
            }
        }
        if leaving || !silent.is_empty() {
            self.ring().await;
        }
        if self.maintenance_is_due() {
            self.repeat(MAINTAIN, PgArguments::default).await;
        }
        Ok(orders)
    }

    /// Beats, and when the server does not know what the drone holds tells it, and beats again: claims that a crash
    /// undid are not lost.
    async fn beat_until_heard(&self, beat: &Beat) -> Result<PgRow, Error> {
        for _ in 0..BEATS {
            let (begun, flush) = self.unflushed.begin_beat(beat.drone);
            let rows = self.store.call_beat(BEAT, arguments(beat, flush)?).await?;
            let row = rows.into_iter().next();
            let row = row.ok_or_else(|| Error::Corrupt("a beat without an answer".into()))?;
            if beat.leaving {
                self.unflushed.forget(beat.drone);
                return Ok(row);
            }
            if row.try_get::<Option<bool>, _>("o_heard")? == Some(true) {
                self.unflushed.beaten(beat.drone, begun);
                return Ok(row);
            }
            self.adopt(beat.drone, Some(&beat.queue), By::Beat).await?;
        }
        Err(Error::Unreachable("the server recovers again and again".into()))
    }

    async fn rescue(&self, pulse: &Pulse) -> bool {
        let Pulse { drone, number, .. } = *pulse;
        self.repeat(RESCUE, || {
            let mut arguments = PgArguments::default();
            // Neither can fail to be encoded.
            let _ = arguments.add(drone.0);
            let _ = arguments.add(number.cast_signed());
            arguments
        })
        .await
    }

    /// Calls what does a bounded step and answers whether there may be more. What fails waits for the next
    /// beat: this one was heard. Answers whether none did.
    async fn repeat(&self, sql: &str, arguments: impl Fn() -> PgArguments) -> bool {
        for _ in 0..STEPS {
            let done = self.store.call_beat(sql, arguments()).await;
            match done.map(|rows| rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false))) {
                Ok(true) => {}
                Ok(false) => return true,
                Err(error) => {
                    tracing::warn!(%error, "what follows from a beat waits for the next");
                    return false;
                }
            }
        }
        true
    }

    fn maintenance_is_due(&self) -> bool {
        let now = self.store.clock.elapsed();
        let mut last = self.maintained.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.saturating_sub(last) >= MAINTENANCE);
        if due {
            *last = Some(now);
        }
        due
    }
}

fn arguments(beat: &Beat, flush: bool) -> Result<PgArguments, Error> {
    let held: Vec<Uuid> = beat.held.iter().map(|claim| claim.0).collect();
    let types: Vec<&str> = beat.facts.types.iter().map(|of| of.as_str()).collect();
    let ttl = i64::try_from(beat.ttl.as_micros()).unwrap_or(i64::MAX);
    let facts = serde_json::to_value(&beat.facts).map_err(|e| Error::Refused(format!("facts: {e}")))?;
    let mut arguments = PgArguments::default();
    arguments.add(beat.drone.0).map_err(Error::unsendable)?;
    arguments.add(beat.queue.as_str()).map_err(Error::unsendable)?;
    arguments.add(ttl).map_err(Error::unsendable)?;
    arguments.add(held).map_err(Error::unsendable)?;
    arguments.add(Json(storable(facts))).map_err(Error::unsendable)?;
    arguments.add(types).map_err(Error::unsendable)?;
    arguments.add(beat.leaving).map_err(Error::unsendable)?;
    arguments.add(flush).map_err(Error::unsendable)?;
    Ok(arguments)
}

/// Postgres stores no NUL in a text.
fn storable(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(values) => values.into_iter().map(storable).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, storable(value))).collect(),
        other => other,
    }
}

fn orders(row: &PgRow) -> Result<Orders, Error> {
    let ids = |column: &str| -> Result<Vec<Uuid>, Error> {
        Ok(row.try_get::<Option<Vec<Uuid>>, _>(column)?.unwrap_or_default())
    };
    let paused: Vec<String> = row.try_get::<Option<_>, _>("o_paused")?.unwrap_or_default();
    let paused = paused.iter().map(|name| name.parse::<TaskType>());
    Ok(Orders {
        lost: ids("o_lost")?.into_iter().map(ClaimId).collect(),
        phantoms: ids("o_phantoms")?.into_iter().map(ClaimId).collect(),
        cancel: ids("o_cancel")?.into_iter().map(TaskId).collect(),
        paused: paused.collect::<Result<_, _>>().map_err(|e| Error::Corrupt(e.to_string()))?,
        drain: row.try_get::<Option<bool>, _>("o_drain")?.unwrap_or(false),
    })
}

fn pulses(row: &PgRow) -> Result<Vec<Pulse>, Error> {
    let drones: Vec<Uuid> = row.try_get::<Option<_>, _>("o_drones")?.unwrap_or_default();
    let numbers: Vec<i64> = row.try_get::<Option<_>, _>("o_numbers")?.unwrap_or_default();
    let ttls: Vec<i64> = row.try_get::<Option<_>, _>("o_ttls")?.unwrap_or_default();
    let pulse = |((drone, number), ttl): ((Uuid, i64), i64)| Pulse {
        drone: Incarnation(drone),
        number: number.cast_unsigned(),
        ttl: Duration::from_micros(ttl.max(0).cast_unsigned()),
    };
    Ok(drones.into_iter().zip(numbers).zip(ttls).map(pulse).collect())
}
