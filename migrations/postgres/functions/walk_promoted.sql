-- The walk of a queue that promotes who waits long: one that has been due for k times p_every counts as k
-- priorities sooner, but never sooner than the first. Within one priority the index is in that order too, since
-- who is due first is promoted first: so each stretch is merged from a walk along each of the five.
create or replace function skep.walk_promoted(
  p_claim uuid, p_lane int, p_room int, p_now timestamptz, p_every interval, out o_tids tid[], out o_taken int
)
language plpgsql
as $$
declare
  -- As in walk(): a row that nobody has seen yet may be a whole block.
  v_limit int := (p_room + 127) / 128;
  -- Where the walk along each priority stands. A block may lie in several rows, of which `low` is the lowest member.
  v_runs timestamptz[] := array_fill('-infinity'::timestamptz, array[5]);
  v_seqs bigint[] := array_fill(-1::bigint, array[5]);
  v_lows smallint[] := array_fill(-1::smallint, array[5]);
  v_row record;
  v_next tid[];
  v_tids tid[];
  v_seen int;
  v_taken int;
begin
  o_tids := '{}';
  o_taken := 0;
  while o_taken < p_room loop
    v_next := '{}';
    for v_row in
      select t.*, greatest(1, p.priority - least(4,
        floor(greatest(0, extract(epoch from p_now - t.run_at)) / extract(epoch from p_every)))) as counts_as
      from generate_series(1, 5) p (priority)
      cross join lateral (
        select t.ctid as tid, t.priority, t.run_at, t.seq, t.low from tasks t
        where t.lane = p_lane and not t.later and not t.held and t.priority = p.priority
          and (t.run_at, t.seq) >= (v_runs[p.priority], v_seqs[p.priority])
          and (t.run_at, t.seq, t.low) > (v_runs[p.priority], v_seqs[p.priority], v_lows[p.priority])
        order by t.run_at, t.seq, t.low limit v_limit
      ) t
      order by counts_as, t.run_at, t.seq, t.low limit v_limit
    loop
      v_next := v_next || v_row.tid;
      v_runs[v_row.priority] := v_row.run_at;
      v_seqs[v_row.priority] := v_row.seq;
      v_lows[v_row.priority] := v_row.low;
    end loop;
    v_seen := cardinality(v_next);
    exit when v_seen = 0;
    select c.o_tids, c.o_taken into v_tids, v_taken from skep.pick_these(p_claim, p_room - o_taken, v_next) c;
    o_tids := o_tids || v_tids;
    o_taken := o_taken + v_taken;
    exit when v_seen < v_limit;
    v_limit := case when v_taken = 0 then v_limit
      else ((p_room - o_taken)::bigint * v_seen + v_taken - 1) / v_taken end;
  end loop;
end $$;
