-- What an operator does to tasks, each on its own: cancel, retry or discard. Answers what became of each, in order.
create or replace function skep.act(p_act text, p_ids uuid[]) returns jsonb
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp set jit = off
as $$
declare
  v_acted jsonb[] := '{}';
  v_answer jsonb;
  v_id uuid;
begin
  perform skep.promote();
  foreach v_id in array p_ids loop
    -- Between two looks a task may move from row to row: then it is found at the next.
    for v_look in 1..5 loop
      v_answer := skep.act_on(p_act, v_id);
      exit when v_answer ->> 'acted' <> 'not_found';
    end loop;
    v_acted := v_acted || v_answer;
  end loop;
  return to_jsonb(v_acted);
end
$$;
