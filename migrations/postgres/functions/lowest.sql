-- The lowest members of a mask, as many as asked for.
create or replace function skep.lowest(p_members varbit, p_count int) returns varbit
language sql immutable parallel safe
as $$
  select case when p_count <= 0 then p_members & ~p_members else p_members & coalesce((
    select skep.fit(substring(p_members from 1 for o + 1), length(p_members))
    from generate_series(0, length(p_members) - 1) o
    where get_bit(p_members, o) = 1 order by o offset p_count - 1 limit 1
  ), p_members) end
$$;
