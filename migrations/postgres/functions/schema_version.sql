-- The version of skep that last set this schema up.
create or replace function skep.schema_version() returns int
language sql stable security definer set search_path = pg_catalog, skep, pg_temp
as $$ select coalesce(max(version), 0) from schema_parts $$;
