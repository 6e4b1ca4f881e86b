//! The scan at start: rebuilds the mirror, and finds what the former incarnation was running.

use std::collections::HashMap;

use bytes::Bytes;
use skep_queue::{ClaimId, Clock, Incarnation, Mask};
use skep_sqlite::{Connection, Db, Error, OptionalExtension, Row};

use super::{
    Config, Durability, Former,
    codec::{self, Head, Set},
    file,
    held::{Held, Kept},
    state::State,
};
use crate::{spec::Specs, worker::Task};

/// A task that ran when the drone died: it is charged an attempt, and may be a suspect.
#[derive(Debug)]
pub(crate) struct Leftover {
    /// What ran.
    pub(crate) task: Task,
    /// Whether it ran inside the drone's process, and so may have killed it.
    pub(crate) in_process: bool,
}

/// Opens the file and reads all of it. It is closed again when that fails.
pub(super) async fn open(
    config: &Config,
    sources: &[String],
    specs: &Specs,
    incarnation: Incarnation,
    clock: &dyn Clock,
) -> Result<(Db, State, Former), Error> {
    let db = file::open(config)?;
    let read = async {
        // On the disk for certain: after a power cut, the next start must know whose claims it may give back.
        db.set_durable(true);
        let incarnation = move_in(&db, incarnation).await?;
        db.set_durable(config.durability == Durability::Full);
        let (state, running) = load(&db, sources, specs, clock).await?;
        Ok((state, Former { incarnation, running }))
    };
    match read.await {
        Ok((state, former)) => Ok((db, state, former)),
        Err(error) => {
            db.close().await;
            Err(error)
        }
    }
}

/// Notes who has the file now; answers who had it before.
async fn move_in(db: &Db, incarnation: Incarnation) -> Result<Option<String>, Error> {
    let incarnation = incarnation.to_string();
    db.write(move |connection| {
        let select = "select incarnation from tenant";
        let former = connection.query_row(select, [], |row| row.get(0)).optional()?;
        connection
            .execute("insert or replace into tenant (id, incarnation) values (1, ?1)", [&incarnation])?;
        Ok(former)
    })
    .await
}

/// Reads everything that is on file.
async fn load(
    db: &Db,
    sources: &[String],
    specs: &Specs,
    clock: &dyn Clock,
) -> Result<(State, Vec<Leftover>), Error> {
    let sources = sources.to_owned();
    let now = (clock.now().micros(), clock.elapsed());
    let (rows, last_key, last_row) = db
        .write(move |connection| {
            let last = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
            let key = last("select coalesce(max(id), 0) from held")?;
            let row = last("select coalesce(max(id), 0) from outbox")?;
            Ok((rows(connection, &sources, now)?, key.cast_unsigned(), row.cast_unsigned()))
        })
        .await?;
    let mut state = State::numbered_from(last_key, last_row);
    let mut crashed = Vec::new();
    for held in &rows {
        crashed.extend(held.running.iter().map(|place| (held.key, place)));
    }
    state.insert(rows);
    let leftovers = crashed.into_iter().filter_map(|(key, place)| {
        let task = state.task(key, place, specs)?;
        let in_process = specs.get(&task.task_type).is_some_and(|spec| spec.in_process);
        Some(Leftover { task, in_process })
    });
    let leftovers: Vec<_> = leftovers.collect();
    Ok((state, leftovers))
}

type Now = (i64, std::time::Duration);

fn rows(connection: &Connection, sources: &[String], now: Now) -> Result<Vec<Held>, Error> {
    let mut outbox = outbox(connection)?;
    let sql = "select h.id, h.source, h.claim, h.live, h.started, h.stored_at, c.head, c.body \
               from held h join claimed c on c.held = h.id order by h.id";
    let mut select = connection.prepare(sql)?;
    let mut rows = select.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let mut held = held(row, sources, now)?;
        held.kept = outbox.remove(&held.key).unwrap_or_default();
        held.ended = held.kept.iter().fold(Mask::EMPTY, |mask, kept| mask | kept.left);
        held.running = (held.started & held.live) - held.ended;
        held.buffered = held.live - held.started - held.ended;
        all.push(held);
    }
    Ok(all)
}

fn held(row: &Row<'_>, sources: &[String], (now, elapsed): Now) -> Result<Held, Error> {
    let bad = || Error::Corrupt("a row of the local queue cannot be read".into());
    let blob = |i: usize| -> Result<Vec<u8>, Error> { Ok(row.get(i)?) };
    let (name, claim, body): (String, _, _) = (row.get(1)?, blob(2)?, blob(7)?);
    let head: Head = codec::unpack(codec::unseal(&[name.as_bytes(), &claim, &body], &blob(6)?)?)?;
    let source = sources.iter().position(|known| *known == name).ok_or_else(|| {
        Error::Refused(format!("the local queue holds work of {name}, which is no [[queue]] of this drone: add it, or use another local file"))
    })?;
    let claim = ClaimId::from_bytes(&claim).ok_or_else(bad)?;
    let claims = head.claimed(claim, Bytes::from(body)).ok_or_else(bad)?;
    let age = std::time::Duration::from_micros((now - row.get::<_, i64>(5)?).max(0).cast_unsigned());
    let (key, since) = (row.get::<_, i64>(0)?.cast_unsigned(), elapsed.saturating_sub(age));
    let mut held = Held::new(key, source, claims, head.chain(), since);
    held.live = codec::unpack_places(key, Set::Live, &blob(3)?)?;
    held.started = codec::unpack_places(key, Set::Started, &blob(4)?)?;
    Ok(held)
}

fn outbox(connection: &Connection) -> Result<HashMap<u64, Vec<Kept>>, Error> {
    let mut all: HashMap<u64, Vec<Kept>> = HashMap::new();
    let mut select = connection.prepare("select id, held, members, endings from outbox order by id")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (row_id, held) = (row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned());
        let left = codec::unpack_places(row_id, Set::Outbox, &row.get::<_, Vec<u8>>(2)?)?;
        let endings = codec::unpack_endings(held, left, &row.get::<_, Vec<u8>>(3)?)?;
        all.entry(held).or_default().push(Kept { row: row_id, left, endings });
    }
    Ok(all)
}
