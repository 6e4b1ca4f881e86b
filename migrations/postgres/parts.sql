-- What stands in this schema: a row for each step, function and further file that was run.
create table if not exists schema_parts (
  name        text primary key,
  version     int not null,                            -- of the skep that put it there
  text_hash   text not null,                           -- of the file
  stands      text,                                    -- of a function as it was put there: see a change by hand
  at          timestamptz not null default clock_timestamp()
);
