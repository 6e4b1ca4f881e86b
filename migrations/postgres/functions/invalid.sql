-- A rejection that no waiting heals.
create or replace function skep.invalid(p_detail text) returns jsonb
language sql stable parallel safe
as $$
  select jsonb_build_object('reason', 'invalid', 'depth', 0, 'limit', 0, 'retry_after', null, 'detail', p_detail)
$$;
