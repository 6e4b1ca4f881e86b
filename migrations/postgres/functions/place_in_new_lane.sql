-- place_new() for a block whose lane is not there yet. A block that is refused leaves no lane behind.
create or replace function skep.place_in_new_lane(
  p_partial boolean, p_born boolean, p_shut jsonb, p_now timestamptz,
  p_id uuid, p_queue text, p_type text, p_priority smallint, p_run_at timestamptz, p_options jsonb,
  p_n int, p_body bytea,
  out outcome text, out accepted int, out holder uuid, out rejection jsonb, out shut text)
language plpgsql as $$
declare
  v_one record;
begin
  perform skep.lane_of(p_queue, p_type);
  v_one := skep.place_new(p_partial, p_born, p_shut, p_now, p_id, p_queue, p_type, p_priority, p_run_at,
    p_options, p_n, p_body);
  outcome := v_one.outcome;
  accepted := v_one.accepted;
  holder := v_one.holder;
  rejection := v_one.rejection;
  shut := v_one.shut;
  if coalesce(outcome, '') not in ('accepted', 'partly') then raise exception using errcode = 'SK999'; end if;
exception when sqlstate 'SK999' then
  -- The answer stays: variables are not undone.
  return;
end $$;
