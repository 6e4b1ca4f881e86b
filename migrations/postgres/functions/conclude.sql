-- Ends members alike, of those that this claim may settle: they leave, then what follows from them enters.
-- Null, or the rejection for which the caller must undo it. p_tag is Outcome::tag, p_result packed by ordinal,
-- p_failure a Failure, p_submit as bear() takes it.
create or replace function skep.conclude(
  p_block uuid, p_claim uuid, p_members varbit, p_tag smallint, p_result bytea, p_after interval,
  p_failure jsonb, p_submit jsonb
) returns jsonb
language plpgsql
as $$
declare
  v_now timestamptz := skep.now();
  v_worker text := skep.worker_of(p_claim);
  v_row tasks;
  v_members varbit;
  v_attempts smallint;
  v_interruptions smallint;
  v_state smallint;
  v_error text;
  v_low smallint;
  v_one jsonb;
  v_posts jsonb[];
  v_rejection jsonb;
begin
  for v_row in
    select * from tasks t where t.block = p_block and t.claim = p_claim order by t.low for update
  loop
    v_members := v_row.live & skep.fit(p_members, length(v_row.live));
    continue when position(B'1' in v_members) = 0;
    v_attempts := least(v_row.attempts + case when p_tag in (2, 3) then 1 else 0 end, 32767);
    v_interruptions := least(v_row.interruptions + case when p_tag = 7 then 1 else 0 end, 32767);
    if p_tag in (2, 3, 4) then
      perform skep.event(p_block, v_members, v_attempts, v_worker, p_failure ->> 'cause', p_failure ->> 'error');
    elsif p_tag = 7 then
      perform skep.event(p_block, v_members, v_attempts, v_worker, 'interrupted', 'cut short by a drain');
    end if;
    v_error := p_failure ->> 'error';
    v_state := case p_tag when 1 then 3 when 3 then 4 when 4 then 5 end;
    if v_state is null and v_row.cancel then
      v_state := 5;
      v_error := 'cancelled by an operator';
      perform skep.event(p_block, v_members, v_attempts, v_worker, 'cancelled', v_error);
    elsif p_tag = 7 and v_interruptions >= 10 then
      v_state := 4;
      v_error := 'cut short by a drain';
    end if;
    if v_state is not null then
      v_one := skep.leave_part(p_block, v_row.low, v_members, v_state, v_attempts, v_row.losses, v_interruptions,
        p_claim, p_tag, v_worker, v_error, p_result);
      if v_one is not null then
        v_posts := v_posts || v_one;
      end if;
    else
      v_low := skep.split_part(p_block, v_row.low, v_members);
      update tasks t set
        held = false, claim = null, settled = p_claim, settled_as = p_tag,
        attempts = v_attempts, interruptions = v_interruptions,
        later = p_tag in (2, 5) and p_after > interval '0',
        run_at = case when p_tag in (2, 5) then v_now + p_after else t.run_at end,
        suspect = case p_tag when 6 then t.suspect when 2 then coalesce((p_failure ->> 'suspect')::smallint, 0) else 0 end
      where t.block = p_block and t.low = v_low;
    end if;
    if v_row.held then
      update claims c set n = c.n - bit_count(v_members)::int where c.claim = p_claim;
      delete from claims c where c.claim = p_claim and c.n <= 0;
    end if;
  end loop;
  v_rejection := case when jsonb_array_length(p_submit) > 0 then skep.bear(p_submit) end;
  if v_posts is not null then
    foreach v_one in array v_posts loop
      exit when v_rejection is not null;
      v_rejection := skep.bear(v_one);
    end loop;
  end if;
  return v_rejection;
end $$;
