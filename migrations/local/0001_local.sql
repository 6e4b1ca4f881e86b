-- The drone's local queue: a cache of leases, and an outbox. A row is a sheaf: up to 128 tasks of one claim,
-- type and priority, of one block or of many. What changes is two sets of places in it (16 bytes each, under
-- a sum).

-- Small and rewritten; what was claimed lies apart.
create table held (
  id         integer primary key,
  source     text not null,             -- which [[queue]] of the drone
  claim      blob not null,
  live       blob not null,             -- places not yet reported
  started    blob not null,             -- places that a worker has, or had when the drone died
  stored_at  integer not null           -- microseconds since 1970
);

create table claimed (
  held       integer primary key,
  head       blob not null,             -- as claimed: blocks, counters, options (MessagePack), under a sum
  body       blob not null              -- the payloads of one block after the other
);

-- Outcomes that the backend has not yet accepted: a row is those of one sheaf that became known together.
create table outbox (
  id         integer primary key,
  held       integer not null,
  members    blob not null,             -- places whose outcomes are not yet reported
  endings    blob not null              -- which places ended how (MessagePack), under a sum
);

-- One row: the incarnation that has the file, so that the next one can end what it left running.
create table tenant (
  id          integer primary key check (id = 1),
  incarnation text not null
);
