-- Who holds a unique key of a queue, and what that means for a block that wants it: 'skipped' or 'conflict',
-- 'replace' when the holder waits and may go (its row is then locked), null when the key is free.
create or replace function skep.in_the_way(
  p_queue int, p_key text, p_on_conflict text, out outcome text, out holder uuid)
language plpgsql as $$
begin
  for v_try in 1..5 loop
    select u.block into holder from unique_keys u where u.queue = p_queue and u.key = p_key;
    if holder is null then return; end if;
    if p_on_conflict = 'skip' then
      outcome := 'skipped';
      return;
    end if;
    outcome := 'conflict';
    if p_on_conflict is distinct from 'replace' then return; end if;
    perform 1 from tasks t where t.block = in_the_way.holder and not t.held for update;
    if found then
      outcome := 'replace';
      return;
    end if;
    -- It is claimed, or it has just ended: then the key is free, or another's.
    if exists (select from tasks t where t.block = in_the_way.holder and t.held) then return; end if;
  end loop;
end $$;
