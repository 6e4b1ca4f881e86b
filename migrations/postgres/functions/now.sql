-- The queue's clock: what decides when a task is due. A test may replace it, nobody else.
create or replace function skep.now() returns timestamptz
language sql volatile parallel safe
as $$ select clock_timestamp() $$;
