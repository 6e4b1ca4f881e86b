-- place_new() for a block that replaces the task which holds its key: that one is cancelled, postback and all, and
-- is not when this one may not enter. The holder's row is locked, and waits.
create or replace function skep.place_instead(
  p_holder uuid, p_partial boolean, p_born boolean, p_shut jsonb, p_now timestamptz,
  p_id uuid, p_queue text, p_type text, p_priority smallint, p_run_at timestamptz, p_options jsonb,
  p_n int, p_body bytea,
  out outcome text, out accepted int, out holder uuid, out rejection jsonb, out shut text)
language plpgsql as $$
declare
  v_why constant text := 'replaced by another task';
  v_old record;
  v_one record;
begin
  select t.lane, t.low, t.live, t.attempts, t.losses, t.interruptions into strict v_old
    from tasks t where t.block = p_holder;
  perform skep.stand(array[v_old.lane]);
  perform skep.event(p_holder, v_old.live, v_old.attempts, null, 'cancelled', v_why);
  rejection := skep.end_part(p_holder, v_old.low, v_old.live, 5::smallint, v_old.attempts, v_old.losses,
    v_old.interruptions, null, null, null, v_why, null);
  if rejection is null then
    v_one := skep.place_new(p_partial, p_born, p_shut, p_now, p_id, p_queue, p_type, p_priority, p_run_at,
      p_options, p_n, p_body);
    outcome := v_one.outcome;
    accepted := v_one.accepted;
    holder := v_one.holder;
    rejection := v_one.rejection;
    shut := v_one.shut;
  else
    outcome := 'rejected';
  end if;
  if coalesce(outcome, '') not in ('accepted', 'partly') then raise exception using errcode = 'SK999'; end if;
exception when sqlstate 'SK999' then
  return;
end $$;
