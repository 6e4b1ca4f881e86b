-- The lane of a queue's tasks of one type, made with its queue when it is new.
create or replace function skep.lane_of(p_queue text, p_type text) returns int
language plpgsql as $$
declare
  v_lane int;
begin
  select l.id into v_lane from queues q join lanes l on l.queue = q.id
    where q.name = p_queue and l.task_type = p_type;
  if v_lane is null then
    perform skep.check_name(p_queue);
    perform skep.check_name(p_type);
    insert into queues (name) values (p_queue) on conflict (name) do nothing;
    insert into lanes (queue, task_type) select q.id, p_type from queues q where q.name = p_queue
      on conflict (queue, task_type) do nothing;
    select l.id into strict v_lane from queues q join lanes l on l.queue = q.id
      where q.name = p_queue and l.task_type = p_type;
  end if;
  return v_lane;
end $$;
