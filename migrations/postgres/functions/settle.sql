-- Ends tasks of claims. First what is plainly done (p_done_..: see settle_done), of which only what is left is
-- answered, under its number below zero; then the others, in order (see settle_each).
-- Planned anew at each call, since calls are batches: a plan that was made while the table was empty would walk all of
-- it for each task, until the next analyze (55 s for 100,000 tasks, measured).
-- With p_lazy what is plainly done does not wait for the disk: flush() does. All else waits all the same, since what
-- follows from it, a task that is retried or a follow-up, is another's at once, and a crash would take it from him.
drop function if exists skep.settle(
  uuid[], uuid[], text[], bytea[], uuid[], uuid[], text[], smallint[], bytea[], bigint[], text[], text[]
);
create or replace function skep.settle(
  p_done_claims uuid[], p_done_blocks uuid[], p_done_members text[], p_done_results bytea[],
  p_claims uuid[], p_blocks uuid[], p_members text[], p_tags smallint[], p_results bytea[], p_after bigint[],
  p_failures text[], p_submits text[], p_lazy boolean
) returns table (
  item int, accepted varbit, already varbit, stale varbit, gone varbit, refused varbit, rejection text
)
language plpgsql security definer
set search_path = pg_catalog, skep, pg_temp set jit = off set plan_cache_mode = force_custom_plan
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
begin
  -- What a standby has not heard of is not gone.
  if current_setting('transaction_read_only')::bool then
    raise exception 'nothing can be settled in a read-only transaction' using errcode = '25006';
  end if;
  -- Otherwise it commits as the server is set to: what was accepted is durable.
  if p_lazy and cardinality(p_blocks) = 0 then
    perform set_config('synchronous_commit', 'off', true);
  end if;
  if cardinality(p_done_blocks) > 0 then
    return query select -d.item, null::varbit, null::varbit, null::varbit, null::varbit, d.rest, null
      from skep.settle_done(p_done_claims, p_done_blocks, p_done_members, p_done_results) d;
  end if;
  if cardinality(p_blocks) > 0 then
    return query select s.* from skep.settle_each(p_claims, p_blocks, p_members, p_tags, p_results, p_after,
      p_failures::jsonb[], p_submits::jsonb[]) s;
  end if;
  -- What was settled before, and lazily, is durable too when it is answered again: only what was written is waited for.
  if not p_lazy and pg_current_xact_id_if_assigned() is null then
    perform pg_logical_emit_message(true, 'skep', '');
  end if;
end $$;
