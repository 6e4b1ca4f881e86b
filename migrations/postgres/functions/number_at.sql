-- Four little-endian bytes of a packed body.
create or replace function skep.number_at(p_body bytea, p_at int) returns int
language sql immutable parallel safe
as $$
  select get_byte(p_body, p_at) + (get_byte(p_body, p_at + 1) << 8)
    + (get_byte(p_body, p_at + 2) << 16) + (get_byte(p_body, p_at + 3) << 24)
$$;
