-- The payload of a block of one, packed.
create or replace function skep.packed_one(p_payload bytea) returns bytea
language sql immutable parallel safe
as $$ select '\x0100'::bytea || skep.le4(length(p_payload)) || p_payload $$;
