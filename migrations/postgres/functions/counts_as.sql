-- The priority as which a task counts that has been due since p_run_at, in a queue that promotes after p_every
-- (null: in none).
create or replace function skep.counts_as(
  p_priority smallint, p_run_at timestamptz, p_at timestamptz, p_every interval
) returns smallint
language sql immutable parallel safe
as $$
  select case when p_every is null then p_priority else greatest(1, p_priority - least(4,
    floor(greatest(0, extract(epoch from p_at - p_run_at)) / extract(epoch from p_every))))::smallint end
$$;
