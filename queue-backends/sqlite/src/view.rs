//! What an operator sees of tasks. Parts and endings are shown alike, a task at a time.

use bytes::Bytes;
use rusqlite::{Row, params};
use serde_json::value::RawValue;
use skep_queue::{
    ClaimId, Mask, Payloads, TaskId, Timestamp,
    admin::{Event, Filter, State, TaskDetail, TaskView},
};

use crate::{
    ending::{code, state},
    error::Error,
    part::{CLAIMED, Counters, PART_COLUMNS, Part, SCHEDULED, part_columns},
    row,
    turn::{BlockRow, Turn, block_columns},
};

/// Some members of a block in one state.
struct Shown {
    block: BlockRow,
    members: Mask,
    state: State,
    run_at: i64,
    counters: Counters,
    claim: Option<ClaimId>,
    worker: Option<String>,
    finished_at: Option<Timestamp>,
    results: Option<Payloads>,
}

/// The columns that [`Shown::ended`] reads before [`block_columns`].
macro_rules! ended_columns {
    () => {
        "f.members, f.state, f.run_at, f.attempts, f.losses, f.interruptions, f.worker, f.finished_at, f.results"
    };
}
const ENDED_COLUMNS: usize = 9;

/// What a filter asks of a row, after its states.
macro_rules! of_lane {
    ($lane:literal) => {
        concat!(
            $lane,
            " in (select id from lanes where (?2 is null or queue = ?2) and (?3 is null or task_type = ?3))"
        )
    };
}

/// Walks the index backwards, and is left as soon as there is enough.
const WAITING: &str = concat!(
    "select ",
    part_columns!(),
    ", ",
    block_columns!(),
    " from parts p join blocks b on b.id = p.block where ",
    "?1 >> (case when p.state = 1 and p.run_at <= ?4 then 0 else p.state end) & 1 and ",
    of_lane!("p.lane"),
    " order by p.block desc"
);
const ENDED: &str = concat!(
    "select ",
    ended_columns!(),
    ", ",
    block_columns!(),
    " from finished f join blocks b on b.id = f.block where ?1 >> f.state & 1 and ?4 is not null and ",
    of_lane!("f.lane"),
    " order by f.block desc"
);
const ENDED_OF: &str = concat!(
    "select ",
    ended_columns!(),
    ", ",
    block_columns!(),
    " from finished f join blocks b on b.id = f.block where f.block = ?1"
);
const HISTORY: &str =
    "select members, at, cause, attempts, worker, error from history where block = ?1 order by id";

// === impl Shown ===

impl Shown {
    fn waiting(row: &Row<'_>, now: Timestamp) -> Result<Self, Error> {
        let part = Part::read(row)?;
        Ok(Self::part(part, BlockRow::read(row, PART_COLUMNS)?, now))
    }

    fn part(part: Part, block: BlockRow, now: Timestamp) -> Self {
        let due = part.state == SCHEDULED && part.run_at <= now.micros();
        Self {
            block,
            members: part.live,
            state: if due { State::Available } else { state(part.state) },
            run_at: part.run_at,
            counters: part.counters,
            claim: part.claim.filter(|_| part.state == CLAIMED),
            worker: None,
            finished_at: None,
            results: None,
        }
    }

    fn ended(row: &Row<'_>) -> Result<Self, Error> {
        let results = row.get::<_, Option<Vec<u8>>>(8)?.map(Bytes::from);
        Ok(Self {
            block: BlockRow::read(row, ENDED_COLUMNS)?,
            members: row::mask(row, 0)?,
            state: state(row.get(1)?),
            run_at: row.get(2)?,
            counters: Counters { attempts: row.get(3)?, losses: row.get(4)?, interruptions: row.get(5)? },
            claim: None,
            worker: row.get(6)?,
            finished_at: Some(Timestamp::from_micros(row.get(7)?)),
            results: results.and_then(Payloads::from_bytes),
        })
    }

    fn view(&self, turn: &mut Turn<'_>, ordinal: u8, history: &[Event]) -> Result<TaskView, Error> {
        let lane = turn.lanes.by_id(turn.db, self.block.lane)?;
        let holder = self.claim.map_or(Ok(None), |claim| turn.worker(claim))?;
        let result = self.results.as_ref().map(|results| results.get(ordinal)).filter(|r| !r.is_empty());
        let text = result.and_then(|json| String::from_utf8(json.into()).ok());
        Ok(TaskView {
            id: self.block.block.task(ordinal),
            task_type: turn.lanes.at(lane).task_type.clone(),
            queue: turn.lanes.queue_of(lane).name.clone(),
            state: self.state,
            priority: self.block.priority,
            run_at: Timestamp::from_micros(self.run_at),
            attempts: self.counters.attempts,
            losses: self.counters.losses,
            interruptions: self.counters.interruptions,
            max_attempts: self.block.options.max_attempts,
            worker: holder.or_else(|| self.worker.clone()),
            error: history.last().map(|event| event.error.clone()),
            result: text.and_then(|json| RawValue::from_string(json).ok()),
            created_at: self.block.created_at,
            finished_at: self.finished_at,
        })
    }
}

impl Turn<'_> {
    /// Tasks that match, newest first.
    pub(crate) fn list(&mut self, filter: &Filter) -> Result<Vec<TaskView>, Error> {
        if filter.limit == 0 {
            return Ok(Vec::new());
        }
        let mut shown = self.shown(WAITING, filter, Shown::waiting)?;
        shown.extend(self.shown(ENDED, filter, |row, _| Shown::ended(row))?);
        let mut tasks: Vec<(&Shown, u8)> = shown
            .iter()
            .flat_map(|shown| shown.members.iter().map(move |ordinal| (shown, ordinal)))
            .collect();
        tasks.sort_by_key(|(shown, ordinal)| std::cmp::Reverse((shown.block.id, *ordinal)));
        tasks.truncate(filter.limit);
        let views = tasks.into_iter().map(|(shown, ordinal)| {
            let history = self.history(shown.block.id, ordinal)?;
            shown.view(self, ordinal, &history)
        });
        views.collect()
    }

    /// From one table, at least as many of the newest as the filter wants.
    fn shown(
        &self,
        sql: &str,
        filter: &Filter,
        read: impl Fn(&Row<'_>, Timestamp) -> Result<Shown, Error>,
    ) -> Result<Vec<Shown>, Error> {
        let all = if filter.states.is_empty() { &State::ALL[..] } else { &filter.states };
        let states = all.iter().fold(0, |states, state| states | 1 << code(*state));
        let queue = filter.queue.as_ref().map(|queue| queue.as_str());
        let task_type = filter.task_type.as_ref().map(|task_type| task_type.as_str());
        let (mut found, mut tasks): (Vec<Shown>, usize) = (Vec::new(), 0);
        row::until(self.db, sql, params![states, queue, task_type, self.now.micros()], |row| {
            let mut shown = read(row, self.now)?;
            // A block's members lie in several rows, in no order: it is taken whole.
            if tasks >= filter.limit && found.last().is_some_and(|last| last.block.id != shown.block.id) {
                return Ok(false);
            }
            if filter.cause.is_some() {
                shown.members = self.caused(&shown, filter)?;
            }
            tasks += shown.members.len();
            found.push(shown);
            Ok(true)
        })?;
        Ok(found)
    }

    fn caused(&self, shown: &Shown, filter: &Filter) -> Result<Mask, Error> {
        let mut members = Mask::EMPTY;
        for ordinal in shown.members.iter() {
            let history = self.history(shown.block.id, ordinal)?;
            if history.last().map(|event| event.cause) == filter.cause {
                members |= Mask::one(ordinal);
            }
        }
        Ok(members)
    }

    /// One task, whole.
    pub(crate) fn detail(&mut self, id: TaskId) -> Result<Option<TaskDetail>, Error> {
        let Some((block, ordinal)) = self.find(id)? else { return Ok(None) };
        let shown = match self.part(block.id, ordinal)? {
            Some(part) => Some(Shown::part(part, block.clone(), self.now)),
            None => row::all(self.db, ENDED_OF, [block.id], Shown::ended)?
                .into_iter()
                .find(|shown| shown.members.has(ordinal)),
        };
        let Some(shown) = shown else { return Ok(None) };
        let history = self.history(block.id, ordinal)?;
        let (payload, content) = (self.body(block.id)?.get(ordinal), block.options.content);
        Ok(Some(TaskDetail { view: shown.view(self, ordinal, &history)?, payload, content, history }))
    }

    /// What went wrong with a task, oldest first.
    fn history(&self, block: i64, ordinal: u8) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        row::until(self.db, HISTORY, [block], |row| {
            if row::mask(row, 0)?.has(ordinal) {
                let cause = serde_json::Value::String(row.get(2)?);
                events.push(Event {
                    at: Timestamp::from_micros(row.get(1)?),
                    cause: serde_json::from_value(cause)
                        .map_err(|e| Error::Corrupt(format!("a cause: {e}")))?,
                    attempts: row.get(3)?,
                    worker: row.get(4)?,
                    error: row.get(5)?,
                });
            }
            Ok(true)
        })?;
        Ok(events)
    }
}
