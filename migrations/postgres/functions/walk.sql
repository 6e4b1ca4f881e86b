-- Claims along a lane, from a place on, until the room is full or nothing is left. Answers where the rows lie
-- now, and how many tasks they have.
create or replace function skep.walk(
  p_claim uuid, p_lane int, p_room int, p_wait boolean, p_below smallint, p_priority smallint,
  p_run timestamptz, p_seq bigint, out o_tids tid[], out o_taken int
)
language plpgsql
as $$
declare
  -- A row that nobody has seen yet may be a whole block; the next ones are taken to be like the last.
  v_limit int := (p_room + 127) / 128;
  v_tids tid[];
  v_seen int;
  v_taken int;
begin
  o_tids := '{}';
  o_taken := 0;
  while o_taken < p_room loop
    select p.p_priority, p.p_run, p.p_seq, p.o_tids, p.o_seen, p.o_taken
    into p_priority, p_run, p_seq, v_tids, v_seen, v_taken
    from skep.pick(p_claim, p_lane, p_room - o_taken, v_limit, p_wait, p_below, p_priority, p_run, p_seq) p;
    o_tids := o_tids || v_tids;
    o_taken := o_taken + v_taken;
    exit when v_seen < v_limit;
    v_limit := ((p_room - o_taken)::bigint * v_seen + v_taken - 1) / v_taken;
  end loop;
end $$;
