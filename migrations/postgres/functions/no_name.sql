-- Says that a name is none.
create or replace function skep.no_name(p_name text) returns text
language sql immutable parallel safe
as $$
  select coalesce('"' || left(p_name, 80) || '"', 'null')
    || ' is not a name: use 1 to 64 of a-z 0-9 _ . : - and begin with a letter or digit'
$$;
