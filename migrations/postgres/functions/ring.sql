-- Tells whoever listens to look again. It carries nothing, and nothing depends on it.
create or replace function skep.ring() returns void
language plpgsql security definer set search_path = pg_catalog, skep, pg_temp
as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  perform pg_notify('skep', '');
end
$$;
