-- What is wrong with the form of a block, if anything is. The client writes NUL, which no text may hold, as
-- U+0001 and a digit: one byte of a key.
create or replace function skep.flaw(
  p_id uuid, p_queue text, p_type text, p_options jsonb, p_n int, p_body bytea, p_flaw text) returns text
language sql stable parallel safe
as $$
  select case
    when not skep.is_name(p_queue) then skep.no_name(p_queue)
    when not skep.is_name(p_type) then skep.no_name(p_type)
    when p_n is null or p_n not between 1 and 128 then
      format('a block has 1 to 128 members, this one %s', coalesce(p_n, 0))
    when p_n > 1 and right(p_id::text, 4) <> '0000' then 'the id of a block of several ends in 16 zero bits'
    when p_n > 1 and octet_length(p_body) - 2 - 4 * p_n > 65536 then
      format('%s bytes in one block, the limit is 65536', octet_length(p_body) - 2 - 4 * p_n)
    when p_options ->> 'unique_key' is not null
      and (p_n > 1 or octet_length(replace(p_options ->> 'unique_key', E'\x01', '')) not between 1 and 256) then
      'a unique key has 1 to 256 bytes, and a block of one'
    else p_flaw end
$$;
