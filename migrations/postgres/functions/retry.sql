-- Makes a task available now: a scheduled one, or one that was discarded or cancelled (done). Any other is
-- unchanged.
create or replace function skep.retry(id uuid) returns text
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp
as $$
begin
  return skep.acted(skep.act('retry', array[retry.id]) -> 0);
end
$$;
