-- A packed body of n, with its first k members only: what is refused must leave nothing behind.
create or replace function skep.beginning(p_body bytea, p_n int, p_k int) returns bytea
language sql immutable parallel safe
as $$
  select case when p_k = p_n then p_body else
    substring(skep.le4(p_k) for 2) || substring(p_body from 3 for 4 * p_k)
    || substring(p_body from 3 + 4 * p_n for skep.number_at(p_body, 4 * p_k - 2)) end
$$;
