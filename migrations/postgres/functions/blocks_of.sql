-- Packs payloads into as few blocks as the limits allow, in order: 128 members, and 64 KiB unless it is one.
create or replace function skep.blocks_of(p_payloads jsonb[]) returns table (n smallint, body bytea)
language plpgsql as $$
declare
  v_bytes bytea;
  v_block bytea[] := '{}';
  v_size int := 0;
begin
  for v_i in 1..coalesce(cardinality(p_payloads), 0) loop
    v_bytes := skep.bytes_of(p_payloads[v_i]);
    v_size := v_size + octet_length(v_bytes);
    if cardinality(v_block) = 128 or v_size > 65536 and v_block <> '{}' then
      n := cardinality(v_block);
      body := skep.pack(v_block);
      return next;
      v_block := '{}';
      v_size := octet_length(v_bytes);
    end if;
    v_block := v_block || v_bytes;
  end loop;
  if v_block = '{}' then return; end if;
  n := cardinality(v_block);
  body := skep.pack(v_block);
  return next;
end $$;
