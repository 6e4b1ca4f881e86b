-- Submits for the client: see let_in(). Commits when the transaction does, and waits for the disk.
create or replace function skep.submit_blocks(
  p_partial boolean, p_ids uuid[], p_queues text[], p_types text[], p_priorities smallint[],
  p_due_kinds smallint[], p_due bigint[], p_options text[], p_counts smallint[], p_bodies bytea[],
  p_flaws text[])
returns table (outcome text, accepted int, holder uuid, rejection text)
language plpgsql security definer
set search_path = pg_catalog, skep, pg_temp set jit = off
set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
  return query select a.outcome, a.accepted, a.holder, a.rejection::text
    from skep.let_in(p_partial, false, p_ids, p_queues, p_types, p_priorities, p_due_kinds, p_due,
      p_options::jsonb[], p_counts, p_bodies, p_flaws) a;
end $$;
