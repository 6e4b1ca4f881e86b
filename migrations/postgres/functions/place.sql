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
  v_flaw text := skep.flaw(p_id, p_queue, p_type, p_options, p_n, p_body, p_flaw);
  v_new record;
  v_known record;
begin
  if v_flaw is not null then
    outcome := 'rejected';
    rejection := skep.invalid(v_flaw);
    return;
  end if;
  for v_try in 1..5 loop
    v_new := skep.place_new(p_partial, p_born, p_shut, p_now, p_id, p_queue, p_type, p_priority, p_run_at,
      p_options, p_n, p_body);
    if v_new.outcome is null or v_new.outcome not in ('accepted', 'partly') then
      -- A block that is here already is answered so, whatever else would refuse it.
      v_known := skep.known(p_partial, p_id, p_queue, p_type, p_n, p_body);
      if v_known.outcome is not null then
        outcome := v_known.outcome;
        accepted := v_known.accepted;
        holder := v_known.holder;
        rejection := v_known.rejection;
        return;
      end if;
    end if;
    if v_new.outcome is not null then
      outcome := v_new.outcome;
      accepted := v_new.accepted;
      holder := v_new.holder;
      rejection := v_new.rejection;
      shut := v_new.shut;
      return;
    end if;
  end loop;
  raise exception using errcode = 'serialization_failure',
    message = format('others submit and end task %s again and again', p_id);
end $$;
