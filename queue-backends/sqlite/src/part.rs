//! Parts: the state of some members of a block. The one primitive that everything stands on is
//! [`Part::split`]: some members move out, into a part of their own.

use rusqlite::{Connection, Row, params};
use skep_queue::{ClaimId, Mask};

use crate::{error::Error, mutant::mutant, row, turn::Turn};

/// Values of `parts.state`. The statements say them as literals, so that the partial indexes match.
pub(crate) const AVAILABLE: u8 = 0;
pub(crate) const SCHEDULED: u8 = 1;
pub(crate) const CLAIMED: u8 = 2;

/// What was charged so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) attempts: u16,
    pub(crate) losses: u16,
    pub(crate) interruptions: u16,
}

/// A row of `parts`.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) id: i64,
    pub(crate) block: i64,
    pub(crate) lane: i64,
    pub(crate) priority: u8,
    pub(crate) run_at: i64,
    pub(crate) state: u8,
    pub(crate) live: Mask,
    /// The claim that may settle it. On a waiting part, the one it was rescued from: late but unclaimed wins.
    pub(crate) claim: Option<ClaimId>,
    pub(crate) counters: Counters,
    pub(crate) fence: u32,
    pub(crate) suspect: u8,
    /// Somebody wants it cancelled, and its drone must be told. Only on a claimed part.
    pub(crate) cancel: bool,
    /// The claim that last settled it, and with which outcome: to know a settle that is repeated.
    pub(crate) settled: Option<(ClaimId, u8)>,
}

/// The columns that [`Part::read`] reads, for a `select` from `parts p`.
macro_rules! part_columns {
    () => {
        "p.id, p.block, p.lane, p.priority, p.run_at, p.state, p.live, p.claim, p.attempts, p.losses, \
         p.interruptions, p.fence, p.suspect, p.settled, p.settled_as, p.cancel"
    };
}
pub(crate) use part_columns;

/// How many columns that is.
pub(crate) const PART_COLUMNS: usize = 16;

pub(crate) const OF_BLOCK: &str =
    concat!("select ", part_columns!(), " from parts p where p.block = ?1 order by p.id");

const INSERT: &str = "insert into parts (block, lane, priority, run_at, state, live, n, claim, attempts, \
     losses, interruptions, fence, suspect, settled, settled_as, cancel) \
     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";

const UPDATE: &str = "update parts set run_at = ?2, state = ?3, claim = ?4, attempts = ?5, losses = ?6, \
     interruptions = ?7, fence = ?8, suspect = ?9, settled = ?10, settled_as = ?11, cancel = ?12 where id = ?1";

const SHRINK: &str = "update parts set live = ?2, n = ?3 where id = ?1";

const DELETE: &str = "delete from parts where id = ?1";

impl Part {
    /// Members that nobody has had yet.
    pub(crate) const fn new(block: i64, lane: i64, priority: u8, run_at: i64, state: u8, live: Mask) -> Self {
        Self {
            id: 0,
            block,
            lane,
            priority,
            run_at,
            state,
            live,
            claim: None,
            counters: Counters { attempts: 0, losses: 0, interruptions: 0 },
            fence: 0,
            suspect: 0,
            cancel: false,
            settled: None,
        }
    }

    /// Reads [`part_columns`].
    pub(crate) fn read(row: &Row<'_>) -> Result<Self, Error> {
        let settled = row::maybe_id(row, 13, ClaimId::from_bytes)?;
        let tag: Option<u8> = row.get(14)?;
        Ok(Self {
            id: row.get(0)?,
            block: row.get(1)?,
            lane: row.get(2)?,
            priority: row.get(3)?,
            run_at: row.get(4)?,
            state: row.get(5)?,
            live: row::mask(row, 6)?,
            claim: row::maybe_id(row, 7, ClaimId::from_bytes)?,
            counters: Counters { attempts: row.get(8)?, losses: row.get(9)?, interruptions: row.get(10)? },
            fence: row.get(11)?,
            suspect: row.get(12)?,
            settled: settled.zip(tag),
            cancel: row.get(15)?,
        })
    }

    /// Every part of a block.
    pub(crate) fn of_block(db: &Connection, block: i64) -> Result<Vec<Self>, Error> {
        row::all(db, OF_BLOCK, [block], Self::read)
    }

    /// Stores a new part.
    pub(crate) fn insert(&mut self, db: &Connection) -> Result<(), Error> {
        let claim = self.claim.as_ref().map(|claim| &claim.as_bytes()[..]);
        let settled = self.settled.as_ref().map(|(claim, _)| &claim.as_bytes()[..]);
        db.prepare_cached(INSERT)?.execute(params![
            self.block,
            self.lane,
            self.priority,
            self.run_at,
            self.state,
            self.live.to_bytes(),
            self.live.len() as i64,
            claim,
            self.counters.attempts,
            self.counters.losses,
            self.counters.interruptions,
            self.fence,
            self.suspect,
            settled,
            self.settled.map(|(_, tag)| tag),
            self.cancel,
        ])?;
        self.id = db.last_insert_rowid();
        Ok(())
    }

    /// Moves `members` into a part of their own that `change` describes, and answers it. When that is all
    /// there are, the row itself changes and `self` is left with none.
    pub(crate) fn split(
        &mut self,
        db: &Connection,
        members: Mask,
        change: impl FnOnce(&mut Self),
    ) -> Result<Self, Error> {
        let members = if mutant!(SplitTakesAll) { self.live } else { members };
        let mut moved = Self { live: members, ..self.clone() };
        change(&mut moved);
        if members == self.live {
            moved.update(db)?;
        } else {
            row::run(
                db,
                SHRINK,
                params![self.id, (self.live - members).to_bytes(), (self.live - members).len() as i64],
            )?;
            moved.insert(db)?;
        }
        self.live -= members;
        Ok(moved)
    }

    /// Takes `members` out for good.
    pub(crate) fn remove(&mut self, turn: &Turn<'_>, members: Mask) -> Result<(), Error> {
        self.live -= members;
        if self.live.is_empty() {
            turn.run(DELETE, [self.id])?;
        } else {
            turn.run(SHRINK, params![self.id, self.live.to_bytes(), self.live.len() as i64])?;
        }
        Ok(())
    }

    fn update(&self, db: &Connection) -> Result<(), Error> {
        let claim = self.claim.as_ref().map(|claim| &claim.as_bytes()[..]);
        let settled = self.settled.as_ref().map(|(claim, _)| &claim.as_bytes()[..]);
        let changed = params![
            self.id,
            self.run_at,
            self.state,
            claim,
            self.counters.attempts,
            self.counters.losses,
            self.counters.interruptions,
            self.fence,
            self.suspect,
            settled,
            self.settled.map(|(_, tag)| tag),
            self.cancel,
        ];
        row::run(db, UPDATE, changed)?;
        Ok(())
    }
}
