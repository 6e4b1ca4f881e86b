-- Submits one task by SQL: what place() answers, and its id.
create or replace function skep.submit_one(
  p_type text, p_payload jsonb, p_queue text, p_priority int, p_run_at timestamptz, p_max_attempts int,
  p_unique_key text, p_on_conflict text, p_postback text, p_id uuid, p_notify boolean,
  out id uuid, out outcome text, out holder uuid, out rejection jsonb)
language plpgsql as $$
declare
  v_now timestamptz := skep.now();
  v_flaw text := coalesce(skep.odd_option(p_priority, p_max_attempts, p_on_conflict, p_postback),
    case when p_payload is null then 'the payload is null: say ''null''::jsonb for the JSON of that name' end);
  v_run_at timestamptz;
  v_body bytea;
  v_one record;
begin
  id := coalesce(p_id, skep.new_id(v_now));
  if v_flaw is not null then
    outcome := 'rejected';
    rejection := skep.invalid(v_flaw);
    return;
  end if;
  -- least and greatest pass over null.
  v_run_at := case when p_run_at is null then v_now
    else greatest(least(p_run_at, '9999-12-31 00:00:00+00'), '0001-01-01 00:00:00+00') end;
  v_body := skep.packed_one(skep.bytes_of(p_payload));
  v_one := skep.place(false, false, '{}', v_now, id, p_queue, p_type, p_priority::smallint, v_run_at,
    skep.options_of(p_max_attempts, p_unique_key, p_on_conflict, p_postback), 1, v_body, null);
  outcome := v_one.outcome;
  holder := v_one.holder;
  rejection := v_one.rejection;
  -- Ringing holds up every commit that rings: only when somebody may hear it.
  if p_notify and outcome = 'accepted' and exists (select from drones) then
    perform pg_notify('skep', '');
  end if;
end $$;
