-- Which of the members asked for a claim may settle, and what the others answer: already so by this claim with
-- this outcome; another was there first; or no such task is kept.
create or replace function skep.legal(
  p_block uuid, p_claim uuid, p_members bit(128), p_tag smallint,
  out o_legal bit(128), out o_already bit(128), out o_stale bit(128), out o_gone bit(128)
)
language plpgsql
as $$
declare
  c_none constant bit(128) := repeat('0', 128);
begin
  select coalesce(bit_or(r.live), c_none) & p_members into o_legal from (
    select t.live::bit(128) as live from tasks t where t.block = p_block and t.claim = p_claim
    order by t.low for update
  ) r;
  o_already := c_none;
  o_stale := c_none;
  o_gone := p_members & ~o_legal;
  if o_gone = c_none then
    return;
  end if;
  select coalesce(bit_or(r.live) filter (where r.same), c_none) & o_gone,
    coalesce(bit_or(r.live) filter (where not r.same), c_none) & o_gone
  into o_already, o_stale
  from (
    select t.live::bit(128) as live, (t.settled, t.settled_as) is not distinct from (p_claim, p_tag) as same
    from tasks t where t.block = p_block
    union all
    select f.members::bit(128), (f.settled, f.settled_as) is not distinct from (p_claim, p_tag)
    from finished f where f.block = p_block and f.expires_at > skep.now()
  ) r;
  o_gone := o_gone & ~o_already & ~o_stale;
end $$;
