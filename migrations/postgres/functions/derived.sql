-- The id of the block that a task gives birth to: BlockId::derived, an FNV-1a hash of 128 bits.
create or replace function skep.derived(p_parent uuid, p_step bigint) returns uuid
language plpgsql immutable parallel safe
as $$
declare
  c_prime constant numeric := 309485009821345068724781371;
  c_all constant numeric := 340282366920938463463374607431768211456;
  v_bytes bytea := decode(replace(p_parent::text, '-', '') || lpad(to_hex(p_step), 8, '0'), 'hex');
  v_hash numeric := 144066263297769815596495629667062367629;
  v_low int;
  v_hex text;
begin
  for v_i in 0 .. length(v_bytes) - 1 loop
    v_low := mod(v_hash, 256)::int;
    v_hash := mod((v_hash - v_low + (v_low # get_byte(v_bytes, v_i))) * c_prime, c_all);
  end loop;
  v_hex := lpad(to_hex(div(v_hash, 18446744073709551616::numeric * 4294967296)::bigint), 8, '0')
    || lpad(to_hex(mod(div(v_hash, 18446744073709551616), 4294967296)::bigint), 8, '0')
    || lpad(to_hex(mod(div(v_hash, 4294967296), 4294967296)::bigint), 8, '0');
  return (overlay(overlay(v_hex placing '8' from 13 for 1)
    placing to_hex(8 | (3 & ('x' || substring(v_hex from 17 for 1))::bit(4)::int)) from 17 for 1)
    || lpad(to_hex(mod(div(v_hash, 65536), 65536)::int), 4, '0') || '0000')::uuid;
end $$;
