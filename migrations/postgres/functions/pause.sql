-- Hands out nothing of a queue, or of one of its types, until it is resumed.
create or replace function skep.pause(queue text, task_type text default null) returns void
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp
as $$
begin
  perform skep.halt(pause.queue, pause.task_type, true);
end
$$;
