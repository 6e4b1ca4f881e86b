-- Lets blocks in, in order: one answer a block. All or nothing, unless p_partial. p_born: they follow from the
-- ending of a task, so what the queue takes just now does not bind them. p_flaws: what the caller found wrong
-- with the form of a block. The arrays are parallel; a due time is a kind and microseconds, see due_at().
create or replace function skep.let_in(
  p_partial boolean, p_born boolean, p_ids uuid[], p_queues text[], p_types text[], p_priorities smallint[],
  p_due_kinds smallint[], p_due bigint[], p_options jsonb[], p_counts smallint[], p_bodies bytea[],
  p_flaws text[])
returns table (outcome text, accepted int, holder uuid, rejection jsonb)
language plpgsql as $$
#variable_conflict use_column
declare
  v_now timestamptz := skep.now();
  v_blocks int := cardinality(p_ids);
  v_answers jsonb;
  v_at int;
  v_last jsonb;
begin
  -- A block alone changes nothing unless it is accepted, so it asks for no subtransaction: a transaction
  -- bears no more than 64 of these well.
  if v_blocks <= 1 or p_partial and array_remove(p_flaws, null) <> '{}' then
    return query select * from skep.place_each(p_partial, p_born, v_now, p_ids, p_queues, p_types,
      p_priorities, p_due_kinds, p_due, p_options, p_counts, p_bodies, p_flaws);
    return;
  end if;
  if array_remove(p_flaws, null) = '{}' then
    begin
      if not skep.store_all(p_born, v_now, p_ids, p_queues, p_types, p_priorities, p_due_kinds, p_due,
                            p_options, p_counts, p_bodies) then
        raise exception using errcode = 'SK999';
      end if;
      return query select 'accepted', b.n::int, null::uuid, null::jsonb from unnest(p_counts) b (n);
      return;
    exception when sqlstate 'SK999' or unique_violation then
      -- An id that is here already raises, rather than being passed over, which would log 48 bytes a row.
      null;
    end;
  end if;
  begin
    select jsonb_agg(to_jsonb(a) order by a.i), count(*) into v_answers, v_at
      from skep.place_each(p_partial, p_born, v_now, p_ids, p_queues, p_types, p_priorities, p_due_kinds,
        p_due, p_options, p_counts, p_bodies, p_flaws)
        with ordinality a (outcome, accepted, holder, rejection, i);
    v_last := v_answers -> -1;
    if not p_partial and v_last ->> 'outcome' in ('rejected', 'conflict') then
      raise exception using errcode = 'SK999';
    end if;
  exception when sqlstate 'SK999' then
    -- The others answer the same, or name what conflicts.
    select jsonb_agg(case i when v_at then v_last else jsonb_build_object('outcome', 'rejected', 'rejection',
        case v_last ->> 'outcome' when 'rejected' then v_last -> 'rejection' else
          skep.invalid('another block of the call conflicts: ' || (v_last ->> 'holder')) end) end order by i)
      into v_answers from generate_series(1, v_blocks) i;
  end;
  return query select a ->> 'outcome', (a ->> 'accepted')::int, (a ->> 'holder')::uuid,
      nullif(a -> 'rejection', 'null')
    from jsonb_array_elements(v_answers) a;
end $$;
