-- Forgets what nobody will ask for again, in bounded steps; makes the days of `finished` ahead and drops those
-- that are over. One caller at a time; answers whether there may be more.
create or replace function skep.maintain() returns boolean
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp set jit = off
as $$
declare
  v_now timestamptz := skep.now();
  v_before text := current_setting('synchronous_commit');
  v_more boolean;
begin
  if not pg_try_advisory_xact_lock('finished'::regclass::oid::bigint) then
    return false;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  perform set_config('lock_timeout', '50ms', true);
  -- A claim that is over is remembered for an hour, far more than any lease, so that whoever lists it is told.
  delete from claims c where c.claim = any(array(
    select o.claim from claims o where o.n = 0 and o.at < v_now - interval '1 hour' limit 1000));
  -- A claim that was made while its drone was being forgotten: known again, it can be watched, and rescued.
  insert into drones (incarnation, queue, number, beat_at, ttl, facts)
  select o.drone, 'default', nextval('beats'), v_now, interval '60 seconds', '{}'
  from (select distinct c.drone from claims c where c.n > 0) o
  where not exists (select from drones d where d.incarnation = o.drone)
  on conflict do nothing;
  if found then
    -- See know().
    perform set_config('synchronous_commit', v_before, true);
  end if;
  -- Whoever is forgotten and claims again is known again first, and then commits as the server is set to.
  delete from heard h where not exists (select from drones d where d.incarnation = h.incarnation);
  v_more := skep.drop_days(v_now);
  perform skep.make_days(v_now);
  return v_more;
end
$$;
