-- The name of the drone that has a claim, as it told it.
create or replace function skep.worker_of(p_claim uuid) returns text
language sql stable
as $$
  select nullif(d.facts ->> 'name', '') from claims c join drones d on d.incarnation = c.drone
  where c.claim = p_claim
$$;
