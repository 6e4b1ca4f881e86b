-- A drone is gone, whose last beat that the caller saw had this number: its tasks become available again, or
-- end. Answers whether there may be more. Any number of callers may do this at once, and a late beat with
-- them: the row of the drone decides. Waits for nobody: what a late settle is changing just now stays, and the
-- drone known, to the next look.
create or replace function skep.rescue(p_drone uuid, p_number bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp set jit = off
as $$
declare
  v_now timestamptz := skep.now();
  v_worker text;
  v_claim claims;
  v_rows tid[];
  v_claims int := 0;
begin
  -- It commits as the server is set to. Else a crash could undo it together with a claim of what it made available,
  -- whose drone could then not take that back: it would be claimed as before.
  select nullif(d.facts ->> 'name', '') into v_worker from drones d
  where d.incarnation = p_drone and d.number = p_number for update skip locked;
  if not found then
    return false;
  end if;
  for v_claim in
    select * from claims c where c.drone = p_drone and c.n > 0 order by c.claim limit 100 for update skip locked
  loop
    v_claims := v_claims + 1;
    select array_agg(r.at) into v_rows from (
      select t.ctid as at from tasks t
      where t.block = any(v_claim.blocks) and t.claim = v_claim.claim and t.held and not t.cancel
        and t.losses < 2 and t.options ->> 'on_lost' is distinct from 'fail'
      for update skip locked) r;
    -- The claim stays with it: late, but unclaimed, wins.
    with lost as (
      update tasks t set held = false, losses = t.losses + 1 where t.ctid = any(v_rows)
      returning t.block, t.live, t.attempts)
    insert into history (block, members, at, cause, attempts, worker, error)
    select l.block, l.live, v_now, 'lost', l.attempts, v_worker, 'its drone is gone' from lost l;
    perform skep.part_with(v_claim.claim, v_worker, true);
  end loop;
  delete from drones d where d.incarnation = p_drone
    and not exists (select from claims c where c.drone = p_drone and c.n > 0);
  return not found and v_claims = 100;
end
$$;
