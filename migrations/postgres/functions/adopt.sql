-- A drone says what it was handed out and does not know to be on disk: what a crash has undone of it becomes its own
-- again, unless it has ended since, or another has it. The arrays are parallel: a claim, a block, members of it, and
-- the fence under which they were handed out. With p_all that is all of it, and from then on the drone may claim.
-- It commits as the server is set to.
create or replace function skep.adopt(
  p_drone uuid, p_queue text, p_claims uuid[], p_blocks uuid[], p_members text[], p_fences int[], p_all boolean
) returns void
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp set jit = off
as $$
declare
  v_claim uuid;
begin
  for v_claim in select distinct c.claim from unnest(p_claims) c (claim) order by c.claim loop
    -- As pump() does: it may be asked for at this moment.
    perform pg_advisory_xact_lock(uuid_hash_extended(v_claim, 0));
    if not exists (select from claims c where c.claim = v_claim) then
      perform skep.claim_again(p_drone, p_queue, v_claim, i.blocks, i.members, i.fences) from (
        select array_agg(u.block order by u.block, u.members) as blocks,
          array_agg(u.members order by u.block, u.members) as members,
          array_agg(u.fence order by u.block, u.members) as fences
        from unnest(p_claims, p_blocks, p_members, p_fences) u (claim, block, members, fence)
        where u.claim = v_claim) i;
    end if;
  end loop;
  if p_all then
    insert into heard (incarnation) values (p_drone) on conflict do nothing;
    insert into recovery (since) values (skep.now()) on conflict do nothing;
    perform skep.end_recovery();
  end if;
end $$;
