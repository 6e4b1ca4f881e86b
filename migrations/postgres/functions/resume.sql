-- Hands out again what was paused.
create or replace function skep.resume(queue text, task_type text default null) returns void
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp
as $$
begin
  perform skep.halt(resume.queue, resume.task_type, false);
end
$$;
