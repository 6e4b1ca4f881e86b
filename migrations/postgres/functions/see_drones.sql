-- Every drone that is not yet given up, as JSON.
create or replace function skep.see_drones() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, skep, pg_temp
as $$
declare
  v_now timestamptz := skep.now();
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('incarnation', d.incarnation, 'queue', d.queue,
      'beat_at', skep.micros(d.beat_at), 'silent', d.beat_at + d.ttl <= v_now, 'draining', d.drain,
      'facts', d.facts) order by d.incarnation), '[]')
    from drones d);
end
$$;
