-- Moments as they travel: microseconds since 1970.
create or replace function skep.micros(p_at timestamptz) returns bigint
language sql immutable parallel safe
as $$ select (extract(epoch from p_at) * 1000000)::bigint $$;
