-- What a queue takes just now: the rejection of a block that it does not take.
create or replace function skep.intake(p_queue int, p_intake smallint, p_max_payload int, p_n int, p_body bytea)
returns jsonb
language plpgsql as $$
declare
  v_bytes bigint;
begin
  if octet_length(p_body) - 2 - 4 * p_n > p_max_payload then
    select octet_length(skep.unpacked(p_body, i)) into v_bytes from generate_series(0, p_n - 1) i
      where octet_length(skep.unpacked(p_body, i)) > p_max_payload order by i limit 1;
    if found then
      return jsonb_build_object('reason', 'payload_too_large', 'depth', v_bytes, 'limit', p_max_payload,
        'retry_after', null, 'detail', '');
    end if;
  end if;
  if p_intake = 0 then return null; end if;
  v_bytes := skep.depth(p_queue);
  return jsonb_build_object('reason', case p_intake when 1 then 'intake_paused' else 'draining' end,
    'depth', v_bytes, 'limit', v_bytes, 'retry_after', 1, 'detail', '');
end $$;
