-- A spool: submissions that a queue has not taken yet, and those that it never will. The only copy of them.

-- One submission: taken as a whole, or (partial) block by block. Small; its blocks lie apart.
create table spooled (
  seq        integer primary key autoincrement, -- oldest first, and never used again
  backend    text not null,             -- whose it is: a URL without its secrets
  id         blob not null,             -- of its first block
  queue      text not null,             -- of its first block
  task_type  text not null,             -- of its first block
  partial    integer not null,
  tasks      integer not null,
  bytes      integer not null,
  kept_at    integer not null,          -- microseconds since 1970
  tries      integer not null default 0,
  refusal    text,                      -- what the queue said last
  refused    integer not null default 0 -- for good: only an operator drops it
);

create unique index spooled_id on spooled (backend, id);
create index spooled_order on spooled (backend, refused, seq);

create table bodies (
  seq        integer primary key,
  body       blob not null              -- its blocks (MessagePack), behind a sum
);

-- One row, once somebody has said it: what all who use the file hold to.
create table bounds (
  id         integer primary key check (id = 1),
  tasks      integer not null,
  bytes      integer not null
);
