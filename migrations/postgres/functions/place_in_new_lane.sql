-- place() for a block whose lane is not there yet. A block that is refused leaves no lane behind.
create or replace function skep.place_in_new_lane(
  p_partial boolean, p_born boolean, p_shut jsonb, p_now timestamptz,
  p_id uuid, p_queue text, p_type text, p_priority smallint, p_run_at timestamptz, p_options jsonb,
  p_n int, p_body bytea, p_flaw text,
  out outcome text, out accepted int, out holder uuid, out rejection jsonb, out shut text)
language plpgsql as $$
begin
  perform skep.lane_of(p_queue, p_type);
  select * into outcome, accepted, holder, rejection, shut from skep.place(
    p_partial, p_born, p_shut, p_now, p_id, p_queue, p_type, p_priority, p_run_at, p_options,
    p_n, p_body, p_flaw);
  if outcome not in ('accepted', 'partly') then raise exception using errcode = 'SK999'; end if;
exception when sqlstate 'SK999' then
  -- The answer stays: variables are not undone.
  return;
end $$;
