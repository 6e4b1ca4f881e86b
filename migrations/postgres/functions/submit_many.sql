-- Submits many tasks that differ in their payload only, in blocks, all of them or none; answers their ids in
-- order. Rings no bell: drones find them when they next look, within a second.
create or replace function skep.submit_many(
  task_type text, payloads jsonb[], queue text default 'default', priority int default 3,
  run_at timestamptz default null, max_attempts int default null, postback text default null)
returns setof uuid
language plpgsql security definer
set search_path = pg_catalog, skep, pg_temp set jit = off
set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_now timestamptz := skep.now();
  v_flaw text := coalesce(skep.odd_option(priority, max_attempts, 'reject', postback),
    case when array_position(payloads, null) is not null then 'a payload is null' end);
  v_ids uuid[] := '{}';
  v_counts smallint[] := '{}';
  v_bodies bytea[] := '{}';
  v_no record;
begin
  if v_flaw is not null then
    perform skep.refuse(queue, task_type, 'rejected', null, skep.invalid(v_flaw));
  end if;
  select array_agg(skep.new_id(v_now)), array_agg(b.n), array_agg(b.body)
    into v_ids, v_counts, v_bodies from skep.blocks_of(payloads) b;
  if v_ids is null then return; end if;
  select a.* into v_no
    from skep.let_in(false, false, v_ids, array_fill(queue, array[cardinality(v_ids)]),
      array_fill(task_type, array[cardinality(v_ids)]),
      array_fill(priority::smallint, array[cardinality(v_ids)]),
      array_fill(case when run_at is null then 0 else 2 end::smallint, array[cardinality(v_ids)]),
      array_fill(skep.micros_of(run_at), array[cardinality(v_ids)]),
      array_fill(skep.options_of(max_attempts, null, 'reject', postback), array[cardinality(v_ids)]),
      v_counts, v_bodies, array_fill(null::text, array[cardinality(v_ids)])) a
    where a.outcome in ('rejected', 'conflict') limit 1;
  if found then perform skep.refuse(queue, task_type, v_no.outcome, v_no.holder, v_no.rejection); end if;
  return query select skep.task_id(b.id, o) from unnest(v_ids, v_counts) with ordinality b (id, n, i),
    generate_series(0, b.n - 1) o order by b.i, o;
end $$;
