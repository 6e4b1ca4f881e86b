-- Pauses or resumes a queue, or one of its types; both must be there.
create or replace function skep.halt(p_queue text, p_task_type text, p_paused boolean) returns void
language plpgsql
as $$
begin
  if p_task_type is null then
    update queues set paused = p_paused where name = p_queue;
  else
    update lanes set paused = p_paused
    where task_type = p_task_type and queue = (select q.id from queues q where q.name = p_queue);
  end if;
  if not found then
    raise exception 'there is no such queue or type' using errcode = 'SK005';
  end if;
end
$$;
