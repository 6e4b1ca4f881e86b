-- Changes a queue, which need not exist yet, or one of its types: paused (0 or 1), capacity (null: no bound),
-- intake (0 open, 1 paused, 2 draining), retention (microseconds), max_payload (bytes) or promote_after
-- (microseconds; null: strict order).
create or replace function skep.change(p_queue text, p_task_type text, p_setting text, p_value bigint) returns void
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp set jit = off
as $$
begin
  if p_task_type is not null then
    perform skep.lane_of(p_queue, p_task_type);
  else
    insert into queues (name) values (p_queue) on conflict do nothing;
  end if;
  case p_setting
    when 'capacity' then perform skep.set_capacity(p_queue, p_value, p_task_type);
    when 'paused' then perform skep.halt(p_queue, p_task_type, p_value <> 0);
    when 'intake' then update queues set intake = p_value where name = p_queue;
    when 'max_payload' then update queues set max_payload = p_value where name = p_queue;
    when 'promote_after' then
      update queues set promote_after = p_value * interval '1 microsecond' where name = p_queue;
    when 'retention' then perform skep.retain(p_queue, p_value * interval '1 microsecond');
  end case;
end
$$;
