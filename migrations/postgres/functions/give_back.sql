-- A drone goes. What the queue still has for it never started: it waits again where it stood, free of charge.
-- Waits for nobody: what somebody else is changing just now stays, and the drone known, until it is rescued.
create or replace function skep.give_back(p_drone uuid) returns void
language plpgsql
as $$
declare
  v_claim claims;
  v_rows tid[];
begin
  for v_claim in select * from claims c where c.drone = p_drone and c.n > 0 order by c.claim for update skip locked loop
    select array_agg(r.at) into v_rows from (
      select t.ctid as at from tasks t
      where t.block = any(v_claim.blocks) and t.claim = v_claim.claim and t.held and not t.cancel
      for update skip locked) r;
    update tasks t set held = false, claim = null, settled = v_claim.claim, settled_as = 6
    where t.ctid = any(v_rows);
    perform skep.part_with(v_claim.claim, skep.worker_of(v_claim.claim), false);
  end loop;
  delete from drones d where d.incarnation = p_drone
    and not exists (select from claims c where c.drone = p_drone and c.n > 0);
end
$$;
