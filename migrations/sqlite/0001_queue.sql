-- The embedded queue. A block is an immutable body and a few parts; a part is the state of some members
-- (a 16-byte set of ordinals). Whatever happens to some members moves bits from one part to another.
-- Moments are microseconds since 1970.

create table queues (
  name        text primary key,
  depth       integer not null,         -- tasks that are not terminal
  capacity    integer,                  -- null: no bound
  paused      integer not null,
  intake      integer not null,         -- 0 open, 1 paused, 2 draining
  retention   integer not null,         -- microseconds
  max_payload integer not null,         -- bytes
  promote_after integer                 -- microseconds; null: strict order
) without rowid;

-- A queue's tasks of one type.
create table lanes (
  id          integer primary key,
  queue       text not null,
  task_type   text not null,
  depth       integer not null,
  capacity    integer,
  paused      integer not null,
  unique (queue, task_type)
);

-- Rows are numbered in the order of submission, which is the last word on the order of handing out.
create table blocks (
  id          integer primary key,
  block       blob not null unique,     -- any task id leads here
  lane        integer not null,
  priority    integer not null,
  n           integer not null,         -- members accepted
  options     text,                     -- JSON; null: all default
  created_at  integer not null
);

-- Apart from blocks, whose rows are read far more often than the payloads.
create table bodies (
  block       integer primary key,
  body        blob not null
);

create table parts (
  id            integer primary key,
  block         integer not null,
  lane          integer not null,
  priority      integer not null,
  run_at        integer not null,
  state         integer not null,       -- 0 available, 1 scheduled, 2 claimed
  live          blob not null,          -- which members
  n             integer not null,       -- how many: for counting without decoding
  claim         blob,                   -- current; on a waiting part: the one it was rescued from
  attempts      integer not null,
  losses        integer not null,
  interruptions integer not null,
  fence         integer not null,
  suspect       integer not null,
  cancel        integer not null,       -- somebody wants it cancelled: its drone must be told
  settled       blob,                   -- the claim that last settled it
  settled_as    integer                 -- and with which outcome
);

-- Exactly what a pump walks, in its order, and nothing that is not yet due.
create index parts_ready on parts (lane, priority, run_at, block) where state = 0;
-- What comes due next; nothing else is in it, so that probing it costs nothing.
create index parts_due on parts (run_at) where state = 1;
-- What a claim holds: to be asked again, taken over, rescued.
create index parts_claimed on parts (claim) where state = 2;
-- What a drone must be told to stop: nearly always empty.
create index parts_cancel on parts (claim) where cancel = 1;
-- From a task id to its state.
create index parts_block on parts (block);

-- Terminal tasks: one row an ending, however many members it has. Kept for the queue's retention.
create table finished (
  id            integer primary key,
  block         integer not null,
  lane          integer not null,
  members       blob not null,
  state         integer not null,       -- 3 completed, 4 discarded, 5 cancelled
  run_at        integer not null,
  finished_at   integer not null,
  expires_at    integer not null,
  settled       blob,                   -- the claim that last settled it; null: none ever did
  settled_as    integer,
  attempts      integer not null,
  losses        integer not null,
  interruptions integer not null,
  fence         integer not null,
  worker        text,
  results       blob                    -- packed like payloads, by ordinal; null: none
);

create index finished_block on finished (block);
create index finished_expires on finished (expires_at);

-- What went wrong, oldest first. Nothing is written here for a task that just works.
create table history (
  id          integer primary key,
  block       integer not null,
  members     blob not null,
  at          integer not null,
  cause       text not null,
  attempts    integer not null,
  worker      text,
  error       text not null
);

create index history_block on history (block);

-- Every claim that may still be asked for, oldest first, and whose it is.
create table claims (
  id          integer primary key,
  claim       blob not null unique,
  drone       blob not null,
  at          integer not null
);

create table drones (
  incarnation blob primary key,
  queue       text not null,
  number      integer not null,         -- of its last beat
  beat_at     integer not null,
  ttl         integer not null,         -- microseconds
  facts       text not null,            -- JSON
  drain       integer not null
) without rowid;

-- Counts the beats of all drones together: a drone that was forgotten and comes back must not look silent.
create table beats (
  number      integer not null
);

insert into beats values (0);

-- Who holds a unique key of a queue.
create table unique_keys (
  queue       text not null,
  key         text not null,
  block       integer not null,
  primary key (queue, key)
) without rowid;
