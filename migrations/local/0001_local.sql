-- The drone's local queue: a cache of leases, and an outbox.

-- Members of one block, held under one claim. Small and rewritten; the payloads lie apart.
create table held (
  id         integer primary key,
  source     text not null,             -- which [[queue]] of the drone
  claim      blob not null,
  block      blob not null,
  live       blob not null,             -- members not yet reported (16 bytes)
  started    blob not null,             -- members that a worker has, or had when the drone died
  head       blob not null,             -- as claimed: queue, type, priority, counters, options (MessagePack)
  stored_at  integer not null           -- microseconds since 1970
);

create table payloads (
  held       integer primary key,
  body       blob not null
);

-- Outcomes that the backend has not yet accepted.
create table outbox (
  id         integer primary key,
  held       integer not null,
  members    blob not null,
  ending     blob not null
);

-- One row: the incarnation that has the file, so that the next one can end what it left running.
create table tenant (
  id          integer primary key check (id = 1),
  incarnation text not null
);
