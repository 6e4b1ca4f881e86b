-- place() for a block that looks new: null when it is not, or when somebody else was faster, under its id or
-- with its key.
create or replace function skep.place_new(
  p_partial boolean, p_born boolean, p_shut jsonb, p_now timestamptz,
  p_id uuid, p_queue text, p_type text, p_priority smallint, p_run_at timestamptz, p_options jsonb,
  p_n int, p_body bytea,
  out outcome text, out accepted int, out holder uuid, out rejection jsonb, out shut text)
language plpgsql as $$
declare
  v_key text := p_options ->> 'unique_key';
  v_one record;
  v_lane record;
begin
  perform skep.hold(q.id) from queues q where q.name = p_queue;
  select q.id as queue, q.capacity as queue_capacity, q.intake, q.max_payload, l.id, l.capacity into v_lane
    from queues q join lanes l on l.queue = q.id where q.name = p_queue and l.task_type = p_type;
  if not found then
    v_one := skep.place_in_new_lane(p_partial, p_born, p_shut, p_now, p_id, p_queue, p_type, p_priority,
      p_run_at, p_options, p_n, p_body);
    outcome := v_one.outcome;
    accepted := v_one.accepted;
    holder := v_one.holder;
    rejection := v_one.rejection;
    shut := v_one.shut;
    return;
  end if;
  if not p_born then
    rejection := skep.intake(v_lane.queue, v_lane.intake, v_lane.max_payload, p_n, p_body);
    outcome := case when rejection is not null then 'rejected' end;
  end if;
  if outcome is null and v_key is not null then
    v_one := skep.in_the_way(v_lane.queue, v_key, p_options ->> 'on_conflict');
    outcome := v_one.outcome;
    holder := v_one.holder;
    if outcome = 'replace' then
      v_one := skep.place_instead(holder, p_partial, p_born, p_shut, p_now, p_id, p_queue, p_type, p_priority,
        p_run_at, p_options, p_n, p_body);
      outcome := v_one.outcome;
      accepted := v_one.accepted;
      holder := v_one.holder;
      rejection := v_one.rejection;
      shut := v_one.shut;
    end if;
  end if;
  if outcome is not null then return; end if;
  rejection := coalesce(p_shut -> p_queue, p_shut -> (p_queue || ' ' || p_type));
  accepted := case when rejection is null then p_n else 0 end;
  if rejection is null and (v_lane.queue_capacity is not null or v_lane.capacity is not null) then
    v_one := skep.fits(p_partial, v_lane.queue, v_lane.queue_capacity, v_lane.id, v_lane.capacity, p_n);
    accepted := v_one.fits;
    rejection := v_one.rejection;
    shut := case rejection ->> 'reason' when 'queue_full' then p_queue
      when 'type_full' then p_queue || ' ' || p_type end;
  end if;
  if accepted = 0 then
    outcome := 'rejected';
  elsif skep.store(p_id, v_lane.queue, v_lane.id, p_priority, p_run_at, p_now, p_options, v_key, accepted,
                   skep.beginning(p_body, p_n, accepted)) then
    outcome := case when accepted < p_n then 'partly' else 'accepted' end;
  else
    perform skep.give_room(v_lane.id, accepted);
  end if;
end $$;
