-- Whether a member is in a mask, which may be shorter.
create or replace function skep.has(p_members varbit, p_ordinal int) returns boolean
language sql immutable parallel safe
as $$ select substring(p_members from p_ordinal + 1 for 1) = B'1' $$;
