-- Bounds a queue, or one of its types: null lifts the bound. Exact, whatever is under way: it waits for every
-- transaction that added or ended tasks of the queue, a tenth of a second at a time, since whoever comes later
-- waits behind it.
create or replace function skep.set_capacity(queue text, capacity bigint, task_type text default null)
returns void
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp set jit = off as $$
#variable_conflict use_column
declare
  v_capacity bigint := set_capacity.capacity;
  v_queue int;
  v_scope int;
begin
  if v_capacity < 0 then
    raise exception using errcode = 'SK002', message = format('%s is no capacity: use 0 or more, or null', v_capacity);
  end if;
  if set_capacity.task_type is null then
    perform skep.check_name(set_capacity.queue);
    insert into queues (name) values (set_capacity.queue) on conflict (name) do nothing;
    select q.id, q.id into strict v_queue, v_scope from queues q where q.name = set_capacity.queue;
  else
    v_scope := -skep.lane_of(set_capacity.queue, set_capacity.task_type);
    select l.queue into strict v_queue from lanes l where l.id = -v_scope;
  end if;
  perform skep.still(v_queue);
  update queues q set capacity = v_capacity where q.id = v_scope;
  update lanes l set capacity = v_capacity where l.id = -v_scope;
  if v_capacity is null then
    delete from cells c where c.scope = v_scope;
  else
    perform skep.spread(v_scope, v_capacity, v_capacity - skep.count_tasks(v_scope));
  end if;
end $$;
