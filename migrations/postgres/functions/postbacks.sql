-- The blocks that carry how members ended to the type that wants to know: skep_queue::outcome::postback.
create or replace function skep.postbacks(
  p_block uuid, p_members varbit, p_lane int, p_to text, p_state smallint, p_error text, p_results bytea
) returns jsonb
language plpgsql
as $$
declare
  v_queue text;
  v_type text;
  v_result bytea;
  v_json text;
  v_payload text;
  v_posts jsonb := '[]';
begin
  select q.name, l.task_type into strict v_queue, v_type
  from lanes l join queues q on q.id = l.queue where l.id = p_lane;
  for v_ordinal in 0 .. length(p_members) - 1 loop
    continue when get_bit(p_members, v_ordinal) = 0;
    v_json := null;
    v_result := skep.unpacked(p_results, v_ordinal);
    if length(v_result) > 0 then
      begin
        v_json := convert_from(v_result, 'UTF8')::json::text;
      exception when data_exception or program_limit_exceeded or statement_too_complex then
        null; -- What is no JSON is no result.
      end;
    end if;
    v_payload := format('{"error":%s,"id":"%s","result":%s,"state":"%s","task_type":"%s"}',
      coalesce(to_json(p_error)::text, 'null'), skep.task_id(p_block, v_ordinal), coalesce(v_json, 'null'),
      (array['completed', 'discarded', 'cancelled'])[p_state - 2], v_type);
    v_posts := v_posts || jsonb_build_object(
      'id', skep.derived(skep.task_id(p_block, v_ordinal), 4294967295),
      'queue', v_queue, 'task_type', p_to, 'priority', 3, 'due', null, 'options', null, 'n', 1,
      'body', encode(skep.packed_one(convert_to(v_payload, 'UTF8')), 'hex'));
  end loop;
  return v_posts;
end $$;
