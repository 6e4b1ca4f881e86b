-- Whether a block is here already, and what that means for whoever submits it; all null when it is not. A
-- member that is no longer kept was accepted with the others; when none is kept, the block is forgotten.
create or replace function skep.known(
  p_partial boolean, p_id uuid, p_queue text, p_type text, p_n int, p_body bytea,
  out outcome text, out accepted int, out holder uuid, out rejection jsonb)
language plpgsql as $$
declare
  v_now timestamptz := skep.now();
  v_here boolean;
  v_n int;
  v_kept bit varying;
  v_body bytea;
  v_first int;
begin
  select max(length(k.members)), bit_or(k.members), (array_agg(k.body) filter (where k.body is not null))[1],
      min(k.lane) in (select l.id from queues q join lanes l on l.queue = q.id
                      where q.name = p_queue and l.task_type = p_type)
    into v_n, v_kept, v_body, v_here
    from (select t.lane, t.live, t.body from tasks t where t.block = p_id
          union all select f.lane, f.members, f.body from finished f
          where f.block = p_id and f.expires_at > v_now) k (lane, members, body);
  if v_n is null then
    -- What has expired lies there until its day is dropped, and would be in the way.
    delete from finished f where f.block = p_id and f.expires_at <= v_now;
    if found then perform skep.forget(array[p_id]); end if;
    return;
  end if;
  v_body := coalesce(v_body, (select b.body from bodies b where b.block = p_id));
  outcome := 'existing';
  if v_here and v_n = p_n and v_body = p_body then return; end if;
  select min(o) into v_first from generate_series(0, v_n - 1) o
    where get_bit(v_kept, o) = 1 and (not v_here
      or o < p_n and skep.unpacked(v_body, o) <> skep.unpacked(p_body, o));
  if v_first is null and v_n >= p_n then return; end if;
  if v_first is not null or not p_partial then
    outcome := 'conflict';
    holder := skep.task_id(p_id, coalesce(v_first, position(B'1' in v_kept) - 1));
    return;
  end if;
  -- The others need a new id, whatever the room now: say what the queue holds.
  outcome := 'partly';
  accepted := v_n;
  select jsonb_build_object('reason', 'queue_full', 'depth', d.depth, 'limit', coalesce(q.capacity, d.depth),
      'retry_after', 1, 'detail', '')
    into rejection from queues q, lateral skep.depth(q.id) d (depth) where q.name = p_queue;
end $$;
