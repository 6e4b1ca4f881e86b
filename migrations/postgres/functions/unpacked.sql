-- A member's share of what was packed; null when it has none. Substrings of a stored value: nothing else of
-- it is read but the offsets.
create or replace function skep.unpacked(p_packed bytea, p_ordinal int) returns bytea
language plpgsql immutable parallel safe
as $$
declare
  v_n int := get_byte(p_packed, 0) + 256 * get_byte(p_packed, 1);
  v_from int := 0;
  v_to int;
  v_at int;
begin
  if p_ordinal >= v_n then
    return null;
  end if;
  for v_i in greatest(p_ordinal - 1, 0) .. p_ordinal loop
    v_at := 2 + 4 * v_i;
    v_from := case when v_i = p_ordinal and p_ordinal > 0 then v_to else 0 end;
    v_to := get_byte(p_packed, v_at) + (get_byte(p_packed, v_at + 1) << 8)
      + (get_byte(p_packed, v_at + 2) << 16) + (get_byte(p_packed, v_at + 3) << 24);
  end loop;
  return substring(p_packed from 3 + 4 * v_n + v_from for v_to - v_from);
end $$;
