-- Microseconds as an interval, exactly.
create or replace function skep.span(p_micros bigint) returns interval
language sql immutable parallel safe
as $$ select p_micros / 1000000 * interval '1 second' + p_micros % 1000000 * interval '1 microsecond' $$;
