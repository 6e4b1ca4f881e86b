-- One block: checks it, and stores as much of it as may enter. Changes nothing unless it accepts something.
-- p_shut: what refused a block of this call refuses what follows, so that what is accepted is a beginning;
-- its keys are a queue, or a queue and a type with a blank between. Answers in `shut` what is to be added.
create or replace function skep.place(
  p_partial boolean, p_born boolean, p_shut jsonb, p_now timestamptz,
  p_id uuid, p_queue text, p_type text, p_priority smallint, p_run_at timestamptz, p_options jsonb,
  p_n int, p_body bytea, p_flaw text,
  out outcome text, out accepted int, out holder uuid, out rejection jsonb, out shut text)
language plpgsql as $$
declare
  v_key text := p_options ->> 'unique_key';
  v_queue record;
  v_lane record;
  v_flaw text := skep.flaw(p_id, p_queue, p_type, p_options, p_n, p_body, p_flaw);
begin
  if v_flaw is not null then
    outcome := 'rejected';
    rejection := skep.invalid(v_flaw);
    return;
  end if;
  for v_try in 1..5 loop
    perform skep.hold(q.id) from queues q where q.name = p_queue;
    select q.id, q.capacity, q.intake, q.max_payload into v_queue from queues q where q.name = p_queue;
    select l.id, l.capacity into v_lane from lanes l where l.queue = v_queue.id and l.task_type = p_type;
    select k.outcome, k.accepted, k.holder, k.rejection into outcome, accepted, holder, rejection
      from skep.known(p_id, v_queue.id, v_lane.id, p_partial, p_n, p_body) k;
    if outcome is not null then return; end if;
    if v_lane.id is null then
      select * into outcome, accepted, holder, rejection, shut from skep.place_in_new_lane(
        p_partial, p_born, p_shut, p_now, p_id, p_queue, p_type, p_priority, p_run_at, p_options,
        p_n, p_body, p_flaw);
      return;
    end if;
    if not p_born then
      rejection := skep.intake(v_queue.id, v_queue.intake, v_queue.max_payload, p_n, p_body);
      if rejection is not null then
        outcome := 'rejected';
        return;
      end if;
    end if;
    if v_key is not null then
      select * into outcome, holder
        from skep.in_the_way(v_queue.id, v_key, p_options ->> 'on_conflict');
      if outcome = 'replace' then
        select * into outcome, accepted, holder, rejection, shut from skep.place_instead(
          holder, p_partial, p_born, p_shut, p_now, p_id, p_queue, p_type, p_priority, p_run_at, p_options,
          p_n, p_body, p_flaw);
      end if;
      if outcome is not null then return; end if;
    end if;
    rejection := coalesce(p_shut -> p_queue, p_shut -> (p_queue || ' ' || p_type));
    if rejection is not null then
      outcome := 'rejected';
      return;
    end if;
    accepted := p_n;
    if v_queue.capacity is not null or v_lane.capacity is not null then
      if p_partial then
        select * into accepted, rejection
          from skep.fits(v_queue.id, v_queue.capacity, v_lane.id, v_lane.capacity, p_n);
      else
        rejection := skep.take_bounds(v_queue.id, v_queue.capacity, v_lane.id, v_lane.capacity, p_n);
        if rejection is not null then accepted := 0; end if;
      end if;
      if rejection is not null then
        outcome := case when accepted = 0 then 'rejected' else 'partly' end;
        shut := p_queue || case rejection ->> 'reason' when 'type_full' then ' ' || p_type else '' end;
        if accepted = 0 then return; end if;
      end if;
    end if;
    if v_key is not null then
      insert into unique_keys (queue, key, block) values (v_queue.id, v_key, p_id) on conflict do nothing;
    end if;
    if v_key is null or found then
      if skep.store(p_id, v_lane.id, p_priority, p_run_at, p_now, p_options, accepted,
                    skep.beginning(p_body, p_n, accepted)) then
        outcome := coalesce(outcome, 'accepted');
        return;
      end if;
      if v_key is not null then
        delete from unique_keys where queue = v_queue.id and key = v_key and block = p_id;
      end if;
    end if;
    -- Somebody else was faster, under this id or with this key: look again.
    perform skep.give_room(v_lane.id, accepted);
    outcome := null;
    shut := null;
  end loop;
  raise exception using errcode = 'serialization_failure',
    message = format('others submit and end task %s again and again', p_id);
end $$;
