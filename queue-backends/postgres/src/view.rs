//! What an operator sees of tasks: rows become views.

use bytes::Bytes;
use serde_json::value::RawValue;
use skep_queue::{
    BlockId, Priority, TaskId, Timestamp,
    admin::{Event, Filter, State, TaskDetail, TaskView},
    block::Content,
};
use sqlx::{Arguments, Row, postgres::PgArguments, postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::{error::Error, queue::PgQueue};

const TASKS: &str = "select * from skep.see_tasks($1, $2, $3, $4, $5, $6)";
const TASK: &str = "select * from skep.see_task($1)";

/// Tasks in one call of `see_tasks`: each takes some hundredths of a millisecond, and a statement has seconds.
const PORTION: usize = 5000;

/// States by the number that is stored.
const STORED: [State; 6] = [
    State::Available,
    State::Scheduled,
    State::Claimed,
    State::Completed,
    State::Discarded,
    State::Cancelled,
];

impl PgQueue {
    /// In portions, so that no statement is long. What changes between two of them is seen as it was at either; no
    /// task is seen twice, and none is missed that was there all the time.
    pub(crate) async fn see_tasks(&self, filter: Filter) -> Result<Vec<TaskView>, Error> {
        let (mut views, mut before) = (Vec::new(), None);
        loop {
            let asked = (filter.limit - views.len()).min(PORTION);
            let rows = self.store.call(TASKS, portion(&filter, asked, before)?).await?;
            for row in &rows {
                views.push(view(row)?);
            }
            let Some(last) = rows.last().filter(|_| rows.len() == asked && views.len() < filter.limit) else {
                return Ok(views);
            };
            before = Some(last.try_get("place")?);
        }
    }

    pub(crate) async fn see_task(&self, id: TaskId) -> Result<Option<TaskDetail>, Error> {
        let mut arguments = PgArguments::default();
        arguments.add(id.0).map_err(Error::unsendable)?;
        self.store.call(TASK, arguments).await?.first().map(detail).transpose()
    }
}

/// What asks for so many tasks that match, from a place on.
fn portion(filter: &Filter, limit: usize, before: Option<i64>) -> Result<PgArguments, Error> {
    let states: Option<Vec<i16>> =
        (!filter.states.is_empty()).then(|| filter.states.iter().map(|state| code(*state)).collect());
    let mut arguments = PgArguments::default();
    arguments.add(states).map_err(Error::unsendable)?;
    arguments.add(filter.queue.as_ref().map(|queue| queue.as_str())).map_err(Error::unsendable)?;
    arguments.add(filter.task_type.as_ref().map(|of| of.as_str())).map_err(Error::unsendable)?;
    arguments.add(filter.cause.map(|cause| cause.as_str())).map_err(Error::unsendable)?;
    arguments.add(limit as i32).map_err(Error::unsendable)?;
    arguments.add(before).map_err(Error::unsendable)?;
    Ok(arguments)
}

fn code(state: State) -> i16 {
    STORED.iter().position(|stored| *stored == state).map_or(-1, |at| at as i16)
}

fn detail(row: &PgRow) -> Result<TaskDetail, Error> {
    let history: Json<Vec<Event>> = row.try_get("history")?;
    let content = match row.try_get("content")? {
        "json" => Content::Json,
        _ => Content::Bytes,
    };
    let payload: Vec<u8> = row.try_get("payload")?;
    Ok(TaskDetail { view: view(row)?, payload: Bytes::from(payload), content, history: history.0 })
}

fn view(row: &PgRow) -> Result<TaskView, Error> {
    let wrong = |what: &dyn std::fmt::Display| Error::Corrupt(format!("a task in the list: {what}"));
    let state: i16 = row.try_get("state")?;
    let state = usize::try_from(state).ok().and_then(|at| STORED.get(at)).copied();
    let priority = u8::try_from(row.try_get::<i16, _>("priority")?).unwrap_or(0);
    let result: Option<Vec<u8>> = row.try_get("result")?;
    let result = result.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(TaskView {
        id: BlockId(row.try_get::<Uuid, _>("block")?).task(row.try_get::<i32, _>("ordinal")? as u8),
        task_type: row.try_get::<&str, _>("task_type")?.parse().map_err(|e| wrong(&e))?,
        queue: row.try_get::<&str, _>("queue")?.parse().map_err(|e| wrong(&e))?,
        state: state.ok_or_else(|| wrong(&"its state"))?,
        priority: Priority::try_from(priority).map_err(|e| wrong(&e))?,
        run_at: Timestamp::from_micros(row.try_get("run_at")?),
        attempts: count(row, "attempts")?,
        losses: count(row, "losses")?,
        interruptions: count(row, "interruptions")?,
        max_attempts: row.try_get::<Option<i32>, _>("max_attempts")?.and_then(|n| u16::try_from(n).ok()),
        worker: row.try_get("worker")?,
        error: row.try_get("error")?,
        result: result.and_then(|json| RawValue::from_string(json).ok()),
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(Timestamp::from_micros),
    })
}

fn count(row: &PgRow, column: &str) -> Result<u16, Error> {
    Ok(u16::try_from(row.try_get::<i16, _>(column)?).unwrap_or(0))
}
