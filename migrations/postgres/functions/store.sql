-- Stores a block that has its room, unless its id or its key is taken: then nothing. Looks at what ended after
-- the row is in: until then a settle may move it from `tasks` to `finished` behind our back.
create or replace function skep.store(
  p_id uuid, p_queue int, p_lane int, p_priority smallint, p_run_at timestamptz, p_now timestamptz,
  p_options jsonb, p_key text, p_n int, p_body bytea) returns boolean
language plpgsql as $$
begin
  if p_key is not null then
    insert into unique_keys (queue, key, block) values (p_queue, p_key, p_id) on conflict (queue, key) do nothing;
    if not found then return false; end if;
  end if;
  if p_n > 1 then
    insert into bodies (block, n, body) values (p_id, p_n, p_body) on conflict (block) do nothing;
    if not found then return false; end if;
  end if;
  insert into tasks (seq, run_at, created_at, block, lane, priority, n, low, ties, later, live, options, body)
    values (nextval('order_of_submission'), p_run_at, p_now, p_id, p_lane, p_priority, p_n, 0,
      coalesce(p_options ?| array['unique_key', 'postback'], false), p_run_at > p_now,
      repeat('1', p_n)::bit varying, p_options, case when p_n = 1 then p_body end)
    on conflict (block, low) do nothing;
  if found then
    if not exists (select from finished f where f.block = p_id)
      and (p_n > 1 or not exists (select from bodies b where b.block = p_id)) then
      return true;
    end if;
    delete from tasks where block = p_id and low = 0;
  end if;
  if p_n > 1 then delete from bodies where block = p_id; end if;
  if p_key is not null then delete from unique_keys where queue = p_queue and key = p_key; end if;
  return false;
end $$;
