-- A number as four bytes, the lowest first: what the offsets of packed payloads are.
create or replace function skep.le4(p_number int) returns bytea
language sql immutable parallel safe
as $$
  select set_byte(set_byte(set_byte(set_byte('\x00000000'::bytea, 0, p_number & 255),
    1, (p_number >> 8) & 255), 2, (p_number >> 16) & 255), 3, (p_number >> 24) & 255)
$$;
