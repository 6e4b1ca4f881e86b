-- Drops what is kept beside the rows of these blocks, of those that neither a waiting nor a kept task needs.
create or replace function skep.forget(p_blocks uuid[]) returns void
language plpgsql
as $$
declare
  v_unused uuid[];
begin
  -- Two may end the last two rows of a block at once: who comes second sees that the first has gone.
  perform 1 from bodies b where b.block = any(p_blocks) order by b.block for update;
  select array_agg(u.block) into v_unused from unnest(p_blocks) u (block)
  where not exists (select 1 from tasks t where t.block = u.block)
    and not exists (select 1 from finished f where f.block = u.block);
  if v_unused is not null then
    delete from bodies b where b.block = any(v_unused);
    delete from history h where h.block = any(v_unused);
  end if;
end $$;
