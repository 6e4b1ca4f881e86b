-- An id for a block: a version 7 UUID of this moment, whose last 16 bits are zero.
create or replace function skep.new_id(p_now timestamptz) returns uuid
language sql volatile parallel safe
as $$
  select encode(overlay(set_bit(set_bit(
    overlay(uuid_send(gen_random_uuid())
      placing substring(int8send(floor(date_part('epoch', p_now) * 1000)::bigint) from 3) from 1 for 6),
    52, 1), 53, 1) placing '\x0000'::bytea from 15), 'hex')::uuid
$$;
