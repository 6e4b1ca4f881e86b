-- Keeps terminal tasks of a queue for so long; what has ended already too. Its rows move to the day on which
-- they expire now, and what has expired by that is forgotten.
create or replace function skep.retain(p_queue text, p_retention interval) returns void
language plpgsql
as $$
declare
  v_now timestamptz := skep.now();
  v_queue int;
  v_lanes int[];
  v_blocks uuid[];
begin
  update queues set retention = p_retention where name = p_queue returning id into v_queue;
  select array_agg(l.id) into v_lanes from lanes l where l.queue = v_queue;
  with gone as (
    delete from finished f
    where f.lane = any(v_lanes) and f.expires_at > v_now and f.finished_at + p_retention <= v_now
    returning f.block)
  select array_agg(distinct gone.block) into v_blocks from gone;
  perform skep.forget(v_blocks);
  update finished set expires_at = finished_at + p_retention
  where lane = any(v_lanes) and expires_at > v_now and expires_at <> finished_at + p_retention;
end
$$;
