-- The id of a block's member: the block's own for the first, else with the ordinal in the last 16 bits.
create or replace function skep.task_id(p_block uuid, p_ordinal int) returns uuid
language sql immutable parallel safe
as $$
  select case when p_ordinal = 0 then p_block
    else (substring(p_block::text from 1 for 32) || lpad(to_hex(p_ordinal), 4, '0'))::uuid end
$$;
