-- Submits blocks that an ending gave birth to: all or nothing, and whatever the queue takes just now. Null, or
-- the rejection, having undone what it did. A block: {"id", "queue", "task_type", "priority", "due": null or
-- {"in": microseconds} or {"at": microseconds since 1970}, "options": object or null, "n", "body": hex of the
-- packed payloads, "flaw": what is wrong with its form, if the caller saw something}.
create or replace function skep.bear(p_blocks jsonb) returns jsonb
language plpgsql as $$
declare
  v_no jsonb;
begin
  if coalesce(jsonb_array_length(p_blocks), 0) = 0 then return null; end if;
  select case a.outcome when 'rejected' then a.rejection
      else skep.invalid('another block of the call conflicts: ' || a.holder) end
    into v_no
    from (
      select array_agg((b ->> 'id')::uuid order by i) as ids, array_agg(b ->> 'queue' order by i) as queues,
        array_agg(b ->> 'task_type' order by i) as types,
        array_agg((b ->> 'priority')::smallint order by i) as priorities,
        array_agg((case when b #> '{due,in}' is not null then 1 when b #> '{due,at}' is not null then 2
          else 0 end)::smallint order by i) as due_kinds,
        array_agg(coalesce(b #>> '{due,in}', b #>> '{due,at}')::bigint order by i) as due,
        array_agg(nullif(b -> 'options', 'null') order by i) as options,
        array_agg((b ->> 'n')::smallint order by i) as counts,
        array_agg(decode(b ->> 'body', 'hex') order by i) as bodies,
        array_agg(b ->> 'flaw' order by i) as flaws
      from jsonb_array_elements(p_blocks) with ordinality e (b, i)) c,
      lateral skep.let_in(false, true, c.ids, c.queues, c.types, c.priorities, c.due_kinds, c.due,
        c.options, c.counts, c.bodies, c.flaws) a
    where a.outcome in ('rejected', 'conflict')
    order by a.outcome
    limit 1;
  return v_no;
end $$;
