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
  -- Where the walk along each priority stands.
  v_runs timestamptz[] := array_fill('-infinity'::timestamptz, array[5]);
  v_seqs bigint[] := array_fill(-1::bigint, array[5]);
  v_priorities smallint[];
  v_ends timestamptz[];
  v_last bigint[];
  v_next tid[];
  v_tids tid[];
  v_seen int;
  v_taken int;
begin
  o_tids := '{}';
  o_taken := 0;
  while o_taken < p_room loop
    select array_agg(r.tid order by r.counts_as, r.run_at, r.seq), array_agg(r.priority), array_agg(r.run_at),
      array_agg(r.seq), count(*)
    into v_next, v_priorities, v_ends, v_last, v_seen
    from (
      select t.*, greatest(1, p.priority - least(4,
        floor(greatest(0, extract(epoch from p_now - t.run_at)) / extract(epoch from p_every)))) as counts_as
      from generate_series(1, 5) p (priority)
      cross join lateral (
        select t.ctid as tid, t.priority, t.run_at, t.seq from tasks t
        where t.lane = p_lane and not t.later and not t.held and t.priority = p.priority
          and (t.run_at, t.seq) > (v_runs[p.priority], v_seqs[p.priority])
        order by t.run_at, t.seq limit v_limit
      ) t
      order by counts_as, t.run_at, t.seq limit v_limit
    ) r;
    exit when v_seen = 0;
    for v_i in 1 .. v_seen loop
      if (v_ends[v_i], v_last[v_i]) > (v_runs[v_priorities[v_i]], v_seqs[v_priorities[v_i]]) then
        v_runs[v_priorities[v_i]] := v_ends[v_i];
        v_seqs[v_priorities[v_i]] := v_last[v_i];
      end if;
    end loop;
    select c.o_tids, c.o_taken into v_tids, v_taken from skep.pick_these(p_claim, p_room - o_taken, v_next) c;
    o_tids := o_tids || v_tids;
    o_taken := o_taken + v_taken;
    exit when v_seen < v_limit;
    v_limit := case when v_taken = 0 then v_limit
      else ((p_room - o_taken)::bigint * v_seen + v_taken - 1) / v_taken end;
  end loop;
end $$;
