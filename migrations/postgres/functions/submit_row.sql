-- A trigger that submits the row: `after insert or update on t for each row execute function
-- skep.submit_row('order.changed', '{"queue": "orders", "unique_key": "id", "on_conflict": "skip"}')`.
-- The payload is the row as JSON (of a deletion, the old one). The options are those of submit(), of which
-- "unique_key" names a column; and "notify" is off unless it is said, since a bulk load would ring with each
-- commit.
create or replace function skep.submit_row() returns trigger
language plpgsql security definer
set search_path = pg_catalog, skep, pg_temp set jit = off
set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_options jsonb := coalesce(tg_argv[1], '{}');
  v_odd text[] := array(select jsonb_object_keys(v_options) except select unnest(array[
    'queue', 'priority', 'max_attempts', 'unique_key', 'on_conflict', 'postback', 'notify']) order by 1);
  v_row jsonb := case tg_op when 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
begin
  if tg_level <> 'ROW' or tg_when <> 'AFTER' then
    raise exception using errcode = 'SK002', message = 'submit_row is for triggers after, for each row';
  end if;
  if v_odd <> '{}' then
    raise exception using errcode = 'SK002',
      message = format('trigger "%s" gives submit_row an option that it does not know: %s', tg_name, v_odd[1]);
  end if;
  perform skep.submit(tg_argv[0], v_row, coalesce(v_options ->> 'queue', 'default'),
    coalesce((v_options ->> 'priority')::int, 3), null, (v_options ->> 'max_attempts')::int,
    v_row ->> (v_options ->> 'unique_key'), coalesce(v_options ->> 'on_conflict', 'reject'),
    v_options ->> 'postback', null, coalesce((v_options ->> 'notify')::boolean, false));
  return null;
end $$;
