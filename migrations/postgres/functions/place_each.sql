-- Places blocks one after the other: one answer a block. Without p_partial it ends at the first that is
-- refused; then what it did must be undone.
create or replace function skep.place_each(
  p_partial boolean, p_born boolean, p_now timestamptz, p_ids uuid[], p_queues text[], p_types text[],
  p_priorities smallint[], p_due_kinds smallint[], p_due bigint[], p_options jsonb[], p_counts smallint[],
  p_bodies bytea[], p_flaws text[])
returns table (outcome text, accepted int, holder uuid, rejection jsonb)
language plpgsql as $$
#variable_conflict use_variable
declare
  v_shut jsonb := '{}';
  v_one record;
begin
  for v_i in 1..cardinality(p_ids) loop
    v_one := skep.place(p_partial, p_born, v_shut, p_now, p_ids[v_i], p_queues[v_i], p_types[v_i],
      p_priorities[v_i], skep.due_at(p_due_kinds[v_i], p_due[v_i], p_now), p_options[v_i], p_counts[v_i],
      p_bodies[v_i], p_flaws[v_i]);
    outcome := v_one.outcome;
    accepted := v_one.accepted;
    holder := v_one.holder;
    rejection := v_one.rejection;
    if v_one.shut is not null then v_shut := v_shut || jsonb_build_object(v_one.shut, rejection); end if;
    return next;
    exit when not p_partial and outcome in ('rejected', 'conflict');
  end loop;
end $$;
