-- Bytes as JSON: as they are when they are JSON that Postgres can hold, else a text of base64.
create or replace function skep.as_json(p_bytes bytea) returns jsonb
language plpgsql immutable strict
as $$
begin
  return convert_from(p_bytes, 'UTF8')::jsonb;
exception when data_exception then
  return to_jsonb(encode(p_bytes, 'base64'));
end
$$;
