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
  -- Where the walk along each priority stands. A block may lie in several rows: which of them were seen is told
  -- by their `low`, since the index has them in no order, and must not be sorted.
  v_runs timestamptz[] := array_fill('-infinity'::timestamptz, array[5]);
  v_seqs bigint[] := array_fill(-1::bigint, array[5]);
  v_seen bit(128)[] := array_fill(repeat('0', 128)::bit(128), array[5]);
  v_row record;
  v_next tid[];
  v_tids tid[];
  v_rows int;
  v_taken int;
begin
  o_tids := '{}';
  o_taken := 0;
  while o_taken < p_room loop
    v_next := '{}';
    for v_row in
      select t.*, skep.counts_as(t.priority, t.run_at, p_now, p_every) as counts_as
      from generate_series(1, 5) p (priority)
      cross join lateral (
        select t.ctid as tid, t.priority, t.run_at, t.seq, t.low from tasks t
        where t.lane = p_lane and not t.later and not t.held and t.priority = p.priority
          and (t.run_at, t.seq) >= (v_runs[p.priority], v_seqs[p.priority])
          and ((t.run_at, t.seq) > (v_runs[p.priority], v_seqs[p.priority])
            or get_bit(v_seen[p.priority], t.low) = 0)
        order by t.run_at, t.seq limit v_limit
      ) t
      order by counts_as, t.run_at, t.seq limit v_limit
    loop
      v_next := v_next || v_row.tid;
      if v_seqs[v_row.priority] <> v_row.seq then
        v_seen[v_row.priority] := repeat('0', 128)::bit(128);
      end if;
      v_runs[v_row.priority] := v_row.run_at;
      v_seqs[v_row.priority] := v_row.seq;
      v_seen[v_row.priority] := set_bit(v_seen[v_row.priority], v_row.low, 1);
    end loop;
    v_rows := cardinality(v_next);
    exit when v_rows = 0;
    select c.o_tids, c.o_taken into v_tids, v_taken from skep.pick_these(p_claim, p_room - o_taken, v_next) c;
    o_tids := o_tids || v_tids;
    o_taken := o_taken + v_taken;
    exit when v_rows < v_limit;
    v_limit := case when v_taken = 0 then v_limit
      else ((p_room - o_taken)::bigint * v_rows + v_taken - 1) / v_taken end;
  end loop;
end $$;
