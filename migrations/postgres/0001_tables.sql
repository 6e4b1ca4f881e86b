-- The fleet's queue. A table changes by a numbered file; a function lies in a file of its own in functions/,
-- which replaces it whole.
--
-- A task is a member of a block: 1 to 128 tasks submitted together. A row of `tasks` is some members of one
-- block in one state; whatever happens to some of them moves bits from row to row. A block of one has its
-- payload in its only row; of a larger block it lies in `bodies`, written once, whatever becomes of the members.
--
-- No foreign key and no trigger on what is hot; nothing locks a row in share mode.

create table queues (
  id          int generated always as identity primary key,
  name        text not null unique,
  capacity    bigint,                                  -- null: no bound
  paused      boolean not null default false,
  intake      smallint not null default 0,             -- 0 open, 1 paused, 2 draining
  retention   interval not null default '24 hours',
  max_payload int not null default 262144,             -- bytes
  promote_after interval                               -- null: strict order
);

-- A queue's tasks of one type.
create table lanes (
  id          int generated always as identity primary key,
  queue       int not null,
  task_type   text not null,
  capacity    bigint,
  paused      boolean not null default false,
  unique (queue, task_type)
);

-- The order of submission, which is the last word on the order of handing out.
create sequence order_of_submission;

-- Work that is not yet terminal. What a claim changes (held, fence, claim) is in no index and in no index's
-- predicate, and half of each page is left free: so a claim is an update in place (HOT), which writes a
-- quarter of the WAL and no index entry. The price: a claim steps over what others hold.
create table tasks (
  seq           bigint not null,
  run_at        timestamptz not null,
  created_at    timestamptz not null,
  block         uuid not null,
  lane          int not null,
  priority      smallint not null,
  n             smallint not null,                     -- members in this row
  low           smallint not null,                     -- the lowest of them: what tells a block's rows apart
  attempts      smallint not null default 0,
  losses        smallint not null default 0,
  interruptions smallint not null default 0,
  suspect       smallint not null default 0,
  ties          boolean not null default false,        -- its end does more than remove it: a key, a postback, a history
  later         boolean not null default false,        -- scheduled: not yet due
  cancel        boolean not null default false,        -- somebody wants it cancelled: its drone must be told
  held          boolean not null default false,        -- claimed; neither later nor held: available
  fence         int not null default 0,
  claim         uuid,                                  -- current; of what waits: the one it was rescued from
  settled       uuid,                                  -- the claim that last settled them
  settled_as    smallint,                              -- and with which outcome (Outcome::tag)
  live          bit varying(128) not null,             -- one bit a member of the block, the first for ordinal 0
  options       jsonb,                                 -- null: all default
  body          bytea                                  -- packed payloads of a block of one; null: see bodies
) with (
  fillfactor = 45,
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000,
  toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000
);

-- From a task id to its row; and no block enters twice.
create unique index tasks_block on tasks (block, low);
-- What a claim walks, in its order, and nothing that is not yet due.
create index tasks_ready on tasks (lane, priority, run_at, seq) where not later;
-- What comes due next.
create index tasks_due on tasks (run_at) where later;
-- What a drone must be told to stop: nearly always empty.
create index tasks_cancel on tasks (block) where cancel;
-- For who looks at the newest. It costs a few bytes a page, not an entry a row.
create index tasks_seq on tasks using brin (seq) with (pages_per_range = 32);

-- The payloads of blocks of several, packed: see Payloads.
create table bodies (
  block       uuid primary key,
  n           smallint not null,                       -- members accepted
  body        bytea not null
) with (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000
);

-- One row a batch handed out: whose it is, and where its members are.
create table claims (
  claim       uuid primary key,
  drone       uuid not null,
  queue       int not null,                            -- all of it is of one
  at          timestamptz not null,
  n           int not null,                            -- members still claimed under it
  blocks      uuid[] not null                          -- all that it ever had
) with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0
);
-- Ids do not compress, and trying costs a twentieth of a claim.
alter table claims alter blocks set storage external;
create index claims_drone on claims (drone);

-- One row an incarnation, changed in place by each beat.
create table drones (
  incarnation uuid primary key,
  queue       text not null,
  number      bigint not null,                         -- of its last beat
  beat_at     timestamptz not null,
  ttl         interval not null,
  facts       jsonb not null,
  drain       boolean not null default false
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Claims do not wait for the disk, so a crash may undo one whose tasks run. Here is who has said, since the server
-- last recovered, what it holds. Unlogged: Postgres empties both tables in crash recovery and on a replica, never at
-- a clean restart. Who is not here claims nothing, and nobody does before the others were waited for: see admit().
create unlogged table heard (
  incarnation uuid primary key
);

-- One row, made by the first that speaks.
create unlogged table recovery (
  one         boolean primary key default true check (one),
  since       timestamptz not null,                    -- when it spoke: the others have their leases from then on
  over        boolean not null default false           -- nobody is waited for any more
);

-- Counts the beats of all drones together: a drone that was forgotten and comes back must not look silent.
create sequence beats;

-- Terminal tasks: one row an ending, however many members it has. Partitions by the day on which they expire
-- are made ahead and dropped whole; see maintain().
create table finished (
  block         uuid not null,
  lane          int not null,
  members       bit varying(128) not null,
  state         smallint not null,                     -- 3 completed, 4 discarded, 5 cancelled
  priority      smallint not null,
  seq           bigint not null,
  run_at        timestamptz not null,
  created_at    timestamptz not null,
  finished_at   timestamptz not null,
  expires_at    timestamptz not null,
  attempts      smallint not null,
  losses        smallint not null,
  interruptions smallint not null,
  fence         int not null,
  settled       uuid,                                  -- null: no settle did it
  settled_as    smallint,
  worker        text,
  options       jsonb,
  body          bytea,                                 -- as in tasks
  results       bytea                                  -- packed like payloads, by ordinal; null: none
) partition by range (expires_at);
create table finished_default partition of finished default;
create index finished_block on finished (block);
create index finished_seq on finished using brin (seq) with (pages_per_range = 32);
-- For who looks for what went wrong, among all that did not.
create index finished_odd on finished (seq) where state <> 3;

-- What went wrong, oldest first. Nothing is written here for a task that just works.
create table history (
  id          bigint generated always as identity primary key,
  block       uuid not null,
  members     bit varying(128) not null,
  at          timestamptz not null,
  cause       text not null,
  attempts    smallint not null,
  worker      text,
  error       text not null
);
create index history_block on history (block);

-- Who holds a unique key of a queue.
create table unique_keys (
  queue       int not null,
  key         text not null,
  block       uuid not null,
  primary key (queue, key)
);

-- Room that is left within a capacity, in cells, so that submitters need not wait for each other's commits.
-- Together the cells of a scope hold exactly its capacity less its tasks, at every commit. Unlogged: it costs
-- no WAL, and Postgres empties it in crash recovery; then nothing enters until it was counted anew.
create unlogged table cells (
  scope       int not null,                            -- a queue's id, or a lane's id below zero
  cell        smallint not null,
  room        bigint not null,                         -- below zero: the capacity was lowered under the depth
  primary key (scope, cell)
) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- lz4 costs a tenth of what pglz costs. A server may be built without it.
do $$
begin
  alter table tasks alter column body set compression lz4;
  alter table bodies alter column body set compression lz4;
  alter table finished alter column body set compression lz4, alter column results set compression lz4;
exception when feature_not_supported then
  null;
end $$;
