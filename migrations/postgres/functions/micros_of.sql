-- A moment as microseconds since 1970.
create or replace function skep.micros_of(p_at timestamptz) returns bigint
language sql stable parallel safe
as $$
  select (extract(epoch from greatest(least(p_at, '9999-12-31 00:00:00+00'), '0001-01-01 00:00:00+00'))
    * 1000000)::bigint where p_at is not null
$$;
